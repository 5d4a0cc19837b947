import tseslint from "typescript-eslint";

export default tseslint.config(
  { ignores: ["build/", "node_modules/", "**/*.gen.ts", "**/*.js", "**/*.cjs"] },
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      "@typescript-eslint/switch-exhaustiveness-check": "error",
      // time and processes are injected (pkg/clock, pkg/process)
      "no-restricted-globals": ["error", "setTimeout", "setInterval", "performance"],
      "no-restricted-imports": ["error", { paths: ["child_process", "node:child_process", "execa"] }],
    },
  },
  {
    files: ["pkg/clock/clock.ts", "pkg/process/runner.ts", "test/**", "**/*.test.ts", "cmd/generate/**"],
    rules: {
      "no-restricted-globals": "off",
      "no-restricted-imports": "off",
    },
  },
  {
    // how many inputs, which, and what holds for all of them is settled in test/fuzz
    files: ["**/*.test.ts", "test/**"],
    ignores: ["test/fuzz/**", "**/*.fuzz.test.ts"],
    rules: { "no-restricted-imports": ["error", { paths: ["fast-check"] }] },
  },
);
