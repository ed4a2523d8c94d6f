import { createApp } from "vue";
import App from "./App.vue";
import { connect } from "./live";
import "./styles/shell.css";
import "./styles/parts.css";
import "./styles/screens.css";
import "./styles/work.css";
import "./styles/narrow.css";
import { texts } from "./texts";

createApp(App).use(texts).mount("#app");
connect();
