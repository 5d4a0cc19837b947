/**
 * What shells need to complete a line of proxygwctl. All three ask the program itself (`__complete WORD...`, the last one being that at
 * the cursor), so that they never know less than it. It answers with a line for each candidate, its description after a tab, or with
 * the one line `:files`.
 */
export const SHELLS = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof SHELLS)[number];

const BASH = `# bash completion of proxygwctl; to load: source <(proxygwctl completion bash)
_proxygwctl() {
  COMPREPLY=()
  local at candidate cut=
  local -a words=() lines=()
  # bash cuts words at = and :, and wants what comes after the last of them
  for ((at = 1; at <= COMP_CWORD; at++)); do
    if ((\${#words[@]} > 0)) && [[ \${COMP_WORDS[at]} == [=:]* || \${words[-1]} == --*[=:] ]]; then
      words[-1]+=\${COMP_WORDS[at]}
    else
      words+=("\${COMP_WORDS[at]}")
    fi
  done
  [[ \${words[-1]} != --*=* ]] || cut=\${words[-1]%%=*}=
  mapfile -t lines < <("\${COMP_WORDS[0]/#\\~/$HOME}" __complete "\${words[@]}" 2>/dev/null)
  if [[ \${lines[0]-} == :files ]]; then
    compopt -o default
    return
  fi
  for candidate in "\${lines[@]}"; do
    candidate=\${candidate%%$'\\t'*}
    printf -v candidate %q "\${candidate#"$cut"}"
    COMPREPLY+=("$candidate")
  done
}
complete -F _proxygwctl proxygwctl
`;

const ZSH = `#compdef proxygwctl
# zsh completion of proxygwctl; to load: source <(proxygwctl completion zsh), or as a file _proxygwctl in a directory of $fpath
_proxygwctl() {
  local line word description
  local -a lines described
  lines=("\${(@f)$("\${(Q)words[1]}" __complete "\${(@Q)words[2,CURRENT]}" 2>/dev/null)}")
  if [[ \${lines[1]} == :files ]]; then
    _files
    return
  fi
  for line in "\${lines[@]}"; do
    word=\${line%%$'\\t'*} description=\${line#*$'\\t'}
    [[ -z $word ]] || described+=("\${word//:/\\\\:}:$description")
  done
  (( $#described == 0 )) || _describe -V proxygwctl described
}
if [[ \${funcstack[1]-} == _proxygwctl ]]; then
  _proxygwctl "$@"
elif (( \${+functions[compdef]} )); then
  compdef _proxygwctl proxygwctl
fi
`;

const FISH = `# fish completion of proxygwctl; to load: proxygwctl completion fish | source
function __proxygwctl_complete
    set -l words (commandline -opc)
    set -l program $words[1]
    set -l lines ($program __complete $words[2..-1] (commandline -ct) 2>/dev/null)
    if test "$lines[1]" = :files
        __fish_complete_path (commandline -ct)
    else if set -q lines[1]
        printf '%s\\n' $lines
    end
end
complete -c proxygwctl -f -a '(__proxygwctl_complete)'
`;

export const SCRIPTS: Readonly<Record<Shell, string>> = { bash: BASH, zsh: ZSH, fish: FISH };
