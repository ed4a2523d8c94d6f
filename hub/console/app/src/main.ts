import { createApp } from "vue";
import App from "./App.vue";
import { connect } from "./live";
import "./style.css";
import { texts } from "./texts";

createApp(App).use(texts).mount("#app");
connect();
