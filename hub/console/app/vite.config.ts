import vue from "@vitejs/plugin-vue";
import { defineConfig, type Plugin } from "vite";

// File names carry no hash: the built files are committed, and a name that changes with every edit makes their history
// unreadable. The hub serves them with an ETag and "no-cache", so a browser never runs an old one.
const names = {
  entryFileNames: "assets/[name].js",
  chunkFileNames: "assets/[name].js",
  assetFileNames: "assets/[name][extname]",
};

// The reports' texts stand in the same catalogue; left in, each change of a report's wording would change the console.
const consoleTexts: Plugin = {
  name: "console-texts",
  enforce: "pre",
  transform(code, id) {
    if (!/\/hub\/texts\/[\w-]+\.json$/.test(id)) return null;
    const { report, ...areas } = JSON.parse(code) as Record<string, unknown>;
    return { code: JSON.stringify(areas), map: null };
  },
};

export default defineConfig({
  base: "./",
  plugins: [consoleTexts, vue()],
  build: {
    outDir: "../static",
    emptyOutDir: true,
    target: "es2022",
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    reportCompressedSize: true,
    chunkSizeWarningLimit: 700,
    rollupOptions: { output: names },
  },
  worker: { format: "es", rollupOptions: { output: { entryFileNames: "assets/[name].js" } } },
  server: { proxy: { "/api": "http://127.0.0.1:8000" }, fs: { allow: ["../.."] } },
});
