package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/rl-project/rl/runner"
)

// completionScripts ask rl itself what fits, so they know of every command and
// flag, and of the containers and images of the moment. An answer of one line
// "/" asks for names of files.
var completionScripts = map[string]string{
	// The line is split here: bash splits words at colons, which image names have.
	"bash": `# completion of rl for bash: source it, or put it into
# ~/.local/share/bash-completion/completions/rl
_rl() {
	local line="${COMP_LINE:0:COMP_POINT}" cur answer prefix
	local -a words
	read -ra words <<<"$line"
	[[ "$line" == *[[:space:]] ]] && words+=("")
	cur="${words[${#words[@]}-1]}"
	COMPREPLY=()
	while IFS= read -r answer; do
		if [[ "$answer" == / ]]; then
			compopt -o default 2>/dev/null
			return
		fi
		COMPREPLY+=("${answer%%$'\t'*}")
	done < <(${BASH_ALIASES[${words[0]}]:-"${words[0]}"} complete -- "${words[@]:1}" 2>/dev/null)
	for prefix in "${cur%"${cur##*:}"}" "${cur%"${cur##*=}"}"; do
		[[ -n "$prefix" && "$COMP_WORDBREAKS" == *"${prefix: -1}"* ]] && COMPREPLY=("${COMPREPLY[@]#"$prefix"}")
	done
	[[ "${COMPREPLY[0]}" == *= ]] && compopt -o nospace 2>/dev/null
}
complete -F _rl rl
# The aliases for rl that there are by now, such as docker, are completed too.
for _rl_alias in "${!BASH_ALIASES[@]}"; do
	[[ "${BASH_ALIASES[$_rl_alias]##*/}" == rl ]] && complete -F _rl "$_rl_alias"
done
unset _rl_alias
`,
	"zsh": `#compdef rl
# completion of rl for zsh: source it after compinit, or put it as _rl into a folder of $fpath
_rl() {
	local answer
	local -a answers names texts
	answers=("${(@f)$("${words[1]}" complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
	for answer in "${answers[@]}"; do
		[[ "$answer" == / ]] && { _files; return }
		[[ -n "$answer" ]] || continue
		names+=("${answer%%$'\t'*}")
		texts+=("${answer/$'\t'/  -- }")
	done
	if [[ "${names[1]}" == *= ]]; then
		compadd -S '' -l -d texts -a -- names
	else
		compadd -l -d texts -a -- names
	fi
}
if [[ "${funcstack[1]}" == _rl ]]; then _rl "$@"; else compdef _rl rl; fi
`,
	"fish": `# completion of rl for fish: put it into ~/.config/fish/completions/rl.fish
function __rl_complete
	set -l words (commandline -opc)
	set -l answers ($words[1] complete -- $words[2..] (commandline -ct) 2>/dev/null)
	if test "$answers" = /
		__fish_complete_path (commandline -ct)
	else
		printf '%s\n' $answers
	end
end
complete -c rl -f -a '(__rl_complete)'
`,
}

type completionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

func (c *completionCmd) Run(a *app) error {
	a.printf("%s", completionScripts[c.Shell])
	return nil
}

// completeCmd answers the scripts: for the words after rl, the last of which is
// unfinished, it prints a candidate on each line, with a tab and a description.
type completeCmd struct {
	Words []string `arg:"" passthrough:"" optional:""`
}

func (c *completeCmd) Run(a *app) error {
	words := c.Words
	if len(words) > 0 && words[0] == "--" {
		words = words[1:]
	}
	if len(words) == 0 {
		words = []string{""}
	}
	done, unfinished := words[:len(words)-1], words[len(words)-1]
	for _, x := range candidates(done, unfinished, a) {
		if strings.HasPrefix(x.text, unfinished) || x == anyFile {
			fmt.Fprintln(a.stdout, strings.TrimSuffix(x.text+"\t"+x.about, "\t"))
		}
	}
	return nil
}

// containerNames lists the containers whose status is among those given, or all.
func (a *app) containerNames(statuses ...runner.Status) []candidate {
	store, err := a.store()
	if err != nil {
		return nil
	}
	views, _ := store.Glance(false) // some are better than none
	var list []candidate
	for _, v := range views {
		for _, s := range statuses {
			if v.Status == s {
				list = append(list, candidate{v.Name, v.Image})
			}
		}
		if len(statuses) == 0 {
			list = append(list, candidate{v.Name, v.Image + ", " + string(v.Status)})
		}
	}
	return list
}

// imageNames asks the program that can read the image store.
func (a *app) imageNames() []candidate {
	r, w, err := os.Pipe()
	if err != nil {
		return nil
	}
	defer r.Close()
	var text bytes.Buffer
	copied := make(chan struct{})
	go func() {
		io.Copy(&text, r)
		close(copied)
	}()
	asking := *a
	asking.stdout = w
	err = asking.runInside(inFull, []string{"images", "--format", "{{.Repository}}:{{.Tag}}"})
	w.Close()
	<-copied
	if err != nil {
		return nil
	}
	var list []candidate
	for line := range strings.Lines(text.String()) {
		if name := strings.TrimSpace(line); !strings.Contains(name, "<none>") {
			list = append(list, candidate{text: strings.TrimSuffix(name, ":latest")})
		}
	}
	return list
}
