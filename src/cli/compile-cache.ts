/** Keeps compiled code on disk between calls, where Node can (22.8 on): the first import of the command. */
import module from "node:module";

(module as { enableCompileCache?: () => unknown }).enableCompileCache?.();
