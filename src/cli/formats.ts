/** What `--format` takes. Apart from the rendering, which loads a YAML library. */
export const FORMATS = ["text", "json", "yaml"] as const;
export type Format = (typeof FORMATS)[number];
