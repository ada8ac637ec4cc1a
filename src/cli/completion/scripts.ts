/** The few lines a shell needs to ask `federate` what may come next. */

export const SHELLS = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof SHELLS)[number];

/** No candidates: the shell offers files, which `-c` and its like take. */
const SCRIPTS: Record<Shell, string> = {
  bash: `_federate() {
  local IFS=$'\\n'
  COMPREPLY=($(federate __complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o default -F _federate federate
`,
  zsh: `#compdef federate
_federate() {
  local -a found
  found=("\${(@f)$(federate __complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  if [[ -n "$found" ]]; then compadd -a found; else _files; fi
}
compdef _federate federate
`,
  fish: `function __federate_complete
  set -l words (commandline -opc) (commandline -ct)
  federate __complete -- $words[2..-1] 2>/dev/null
end
complete -c federate -a '(__federate_complete)'
`,
};

export function completionScript(shell: Shell): string {
  return SCRIPTS[shell];
}
