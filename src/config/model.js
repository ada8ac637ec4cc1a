"use strict";
/**
 * What `federation.yaml` means, after parsing: every size in bytes, every duration in milliseconds,
 * every reference resolved to an id that exists. The rest of the product reads this and never YAML.
 */
Object.defineProperty(exports, "__esModule", { value: true });
