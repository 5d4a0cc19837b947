import type { Plugin } from "proxygw/plugin";

declare const plugin: Plugin;
export default plugin;
