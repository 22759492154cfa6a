import { gzipSync } from "node:zlib";
import { defineConfig, type Plugin } from "vite";

/** Writes the bundle compressed, as the program embeds it. The header of Node's gzip has no date, so equal input gives equal files. */
function compressed(): Plugin {
  return {
    name: "compressed",
    enforce: "post",
    generateBundle(_options, bundle) {
      for (const [name, file] of Object.entries(bundle)) {
        const text = file.type === "chunk" ? file.code : file.source;
        delete bundle[name];
        this.emitFile({ type: "asset", fileName: `${name}.gz`, source: gzipSync(text, { level: 9 }) });
      }
    },
  };
}

export default defineConfig({
  plugins: [compressed()],
  build: {
    outDir: process.env["IMAX_WEB_OUT"] ?? "dist",
    emptyOutDir: true,
    target: "es2022",
    modulePreload: false,
    cssCodeSplit: false,
    reportCompressedSize: false,
    rollupOptions: {
      input: "src/main.tsx",
      output: { entryFileNames: "app.js", assetFileNames: "app[extname]", codeSplitting: false },
    },
  },
});
