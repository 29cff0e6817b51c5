import js from "@eslint/js";
import globals from "globals";

export default [
  { ignores: [".venv/", ".client/", "build/", "reports/", "site/"] },
  js.configs.recommended,
  {
    languageOptions: { ecmaVersion: 2023, sourceType: "module" },
    linterOptions: { reportUnusedDisableDirectives: "error" },
    rules: {
      "consistent-return": "error",
      eqeqeq: "error",
      "no-implicit-globals": "error",
      // A name left out of a copy, as in `const { [name]: _, ...others } = limits`, is named to be dropped.
      "no-unused-vars": ["error", { ignoreRestSiblings: true }],
      "no-var": "error",
      "prefer-const": "error",
    },
  },
  {
    files: ["explorer/report/assets/*.js"],
    // Plotly's script is part of the page and unpacked when it is first needed.
    languageOptions: { globals: { ...globals.browser, Plotly: "readonly" } },
  },
];
