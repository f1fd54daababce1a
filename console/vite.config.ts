import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

/** Where `npm run dev` has the API. */
const target = `http://127.0.0.1:${process.env.PORT || '8080'}`;

export default defineConfig({
  plugins: [react()],
  build: {
    target: 'es2022',
    manifest: true,
    // Each file has a hashed name, and the policy of the page allows no inline script.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  server: {
    port: 5173,
    proxy: {
      '/api': target,
      '/docs': target,
      '/docs-json': target,
      '/health': target,
      '/admin/queues': target,
      '/socket.io': { target, ws: true },
    },
  },
});
