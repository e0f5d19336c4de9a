package build

import (
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/shell"
)

// stageCheck is what checkStage knows of the instructions so far.
type stageCheck struct {
	b     *builder
	lint  *linter.Linter
	known []string // variables, as NAME=
	// base is whether the image below may define more variables than are known.
	base    bool
	workdir bool
	// shell is whether a SHELL says what is wanted of commands that are not in JSON.
	shell bool
	last  map[string]instructions.Command // of those that count once, by name
}

func (b *builder) checkStage(s *stage) {
	c := &stageCheck{b: b, lint: b.lint, last: map[string]instructions.Command{}, base: s.def.BaseName != scratchBase, known: []string{"PATH="}}
	if below := b.stageNamed(s.def.BaseName, s.index); below != nil && below.checked != nil {
		c.known, c.base = slices.Clone(below.checked.known), below.checked.base
		c.workdir, c.shell = below.checked.workdir, below.checked.shell
	}
	if s.base.Image != nil {
		c.known, c.base = append(c.known, s.image.Config.Env...), false
	}
	s.checked = c
	for _, command := range s.def.Commands {
		c.check(command)
	}
}

func (c *stageCheck) run(rule linter.LinterRuleI, command instructions.Command, text string) {
	c.lint.WithMergedConfigFromComments(command.Comments()).Run(rule, command.Location(), text)
}

func (c *stageCheck) check(command instructions.Command) {
	c.variables(command)
	switch command := command.(type) {
	case *instructions.WorkdirCommand:
		if !c.workdir && !path.IsAbs(command.Path) && !strings.HasPrefix(command.Path, "$") {
			c.run(&linter.RuleWorkdirRelativePath, command, linter.RuleWorkdirRelativePath.Format(command.Path))
		}
		c.workdir = true
	case *instructions.CmdCommand:
		c.command(command, command.PrependShell)
	case *instructions.EntrypointCommand:
		c.command(command, command.PrependShell)
	case *instructions.ShellCommand:
		c.shell = true
	case *instructions.HealthCheckCommand:
		c.once(command)
	case *instructions.CopyCommand:
		if command.From == "" {
			c.ignored(command, "Copy", command.SourcePaths)
		}
	case *instructions.AddCommand:
		c.ignored(command, "Add", slices.DeleteFunc(slices.Clone(command.SourcePaths), isAddress))
	case *instructions.ArgCommand:
		for _, a := range command.Args {
			c.known = append(c.known, a.Key+"=")
			c.secret(command, a.Key)
		}
	case *instructions.EnvCommand:
		c.pairs(command, command.Env)
		for _, e := range command.Env {
			c.known = append(c.known, e.Key+"=")
			c.secret(command, e.Key)
		}
	case *instructions.LabelCommand:
		c.pairs(command, command.Labels)
	case *instructions.ExposeCommand:
		for _, port := range command.Ports {
			if _, protocol, ok := strings.Cut(port, "/"); ok && protocol != strings.ToLower(protocol) {
				c.run(&linter.RuleExposeProtoCasing, command, linter.RuleExposeProtoCasing.Format(port))
			}
			if strings.Contains(port, ":") {
				c.run(&linter.RuleExposeInvalidFormat, command, linter.RuleExposeInvalidFormat.Format(port))
			}
		}
	}
}

func (c *stageCheck) command(command instructions.Command, inShell bool) {
	if inShell && !c.shell {
		c.run(&linter.RuleJSONArgsRecommended, command, linter.RuleJSONArgsRecommended.Format(command.Name()))
	}
	c.once(command)
}

// once warns of an instruction that a later one makes void.
func (c *stageCheck) once(command instructions.Command) {
	name := strings.ToUpper(command.Name())
	if void := c.last[name]; void != nil {
		lint := c.lint.WithMergedConfigFromComments(command.Comments())
		lint.Run(&linter.RuleMultipleInstructionsDisallowed, void.Location(), linter.RuleMultipleInstructionsDisallowed.Format(command.Name()))
	}
	c.last[name] = command
}

// ignored warns of files that .dockerignore leaves out. Where that takes some in
// again, too, only the files themselves tell. The context itself is left out when
// all that is in it is.
func (c *stageCheck) ignored(command instructions.Command, word string, sources []string) {
	ignored := c.b.context.ignored
	if ignored == nil || ignored.Exclusions() {
		return
	}
	for _, name := range sources {
		name = path.Clean(name)
		below := strings.TrimPrefix(path.Clean("/"+name), "/")
		if below == "" && !c.b.context.ignoresAll() || below != "" && c.b.context.excludedBy(below) == "" {
			continue
		}
		c.run(&linter.RuleCopyIgnoredFile, command, linter.RuleCopyIgnoredFile.Format(word, name))
	}
}

func (c *stageCheck) pairs(command instructions.Command, list instructions.KeyValuePairs) {
	for _, p := range list {
		if p.NoDelim {
			c.run(&linter.RuleLegacyKeyValueFormat, command, linter.RuleLegacyKeyValueFormat.Format(command.Name()))
			return
		}
	}
}

// secretWords are words in names of what should be a secret, and publicWords in
// those of what may look like one.
var (
	secretWords = regexp.MustCompile(`(?i)(?:_|^)(?:apikey|auth|credential|credentials|key|password|pword|passwd|secret|token)(?:_|$)`)
	publicWords = regexp.MustCompile(`(?i)(?:_|^)(?:public|file|version)(?:_|$)`)
)

func (c *stageCheck) secret(command instructions.Command, name string) {
	if secretWords.MatchString(name) && !publicWords.MatchString(name) {
		c.run(&linter.RuleSecretsUsedInArgOrEnv, command, linter.RuleSecretsUsedInArgOrEnv.Format(strings.ToUpper(command.Name()), name))
	}
}

// variables warns of those that nothing defines. The base image may define any;
// only what is nearly the name of a known one is taken for a mistake then.
func (c *stageCheck) variables(command instructions.Command) {
	expandable, ok := command.(instructions.SupportsSingleWordExpansion)
	if !ok {
		return
	}
	missing := map[string]bool{}
	env := shell.EnvsFromSlice(c.known)
	_ = expandable.Expand(func(word string) (string, error) {
		_, unmatched, err := c.b.lexer().ProcessWord(word, env)
		for name := range unmatched {
			missing[name] = true
		}
		return word, err
	})
	for _, name := range slices.Sorted(maps.Keys(missing)) {
		near := nearest(name, c.known)
		if near != "" || !c.base {
			c.run(&linter.RuleUndefinedVar, command, linter.RuleUndefinedVar.Format(name, near))
		}
	}
}

// nearest is a known variable whose name has the same letters but one.
func nearest(name string, known []string) string {
	for _, k := range known {
		k, _, _ = strings.Cut(k, "=")
		if k != name && (strings.EqualFold(k, name) || oneApart(k, name)) {
			return k
		}
	}
	return ""
}

// oneApart reports whether a letter more, less or other makes a of b.
func oneApart(a, b string) bool {
	if len(a) > len(b) {
		a, b = b, a
	}
	if len(a) < 3 || len(b)-len(a) > 1 {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return a[i:] == b[i+1:] || len(a) == len(b) && a[i+1:] == b[i+1:]
		}
	}
	return true
}
