package build

import (
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerfile/shell"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/rl-project/rl/internal/dirs"
	"github.com/rl-project/rl/storage"
	"github.com/rl-project/rl/storage/store"
)

// Warning is something in a Dockerfile that one of BuildKit's rules is against.
type Warning struct {
	Rule, Description, URL, Text string
	// Where are the lines of the instruction, nil if it is about none.
	Where []parser.Range
	// Source are the lines around it.
	Source string
}

// Line is where the instruction begins, 0 if it is about none.
func (w Warning) Line() int {
	if len(w.Where) == 0 {
		return 0
	}
	return w.Where[0].Start.Line
}

// Check reads the Dockerfile and lists what is against the rules, as far as the
// "# check=" line in it does not switch them off. strict reports whether that line
// makes warnings errors. Base images are looked at if they are stored.
func Check(places dirs.Dirs, images *store.Store, o Options) (warnings []Warning, strict bool, err error) {
	b := &builder{Options: o, places: places, images: images}
	config := &linter.Config{}
	if text, _, where, ok := parser.ParseDirective("check", o.File); ok {
		if config, err = linter.ParseLintOptions(text); err != nil {
			return nil, false, b.at(err, where)
		}
	}
	config.Warn = func(rule, about, url, text string, where []parser.Range) {
		w := Warning{Rule: rule, Description: about, URL: url, Text: text, Where: where}
		if len(where) > 0 {
			w.Source = excerpt(o.File, w.Line(), where[len(where)-1].End.Line)
		}
		warnings = append(warnings, w)
	}
	b.lint = linter.New(config)
	if err := b.readFile(); err != nil {
		return nil, false, err
	}
	if b.context, err = readIgnore(o.Ignore); err != nil {
		return nil, false, err
	}
	b.checkFile()
	slices.SortStableFunc(warnings, func(a, b Warning) int { return a.Line() - b.Line() })
	same := func(a, b Warning) bool { return a.Text == b.Text && a.Line() == b.Line() }
	return slices.CompactFunc(warnings, same), config.ReturnAsError, nil
}

// checkFile applies the rules that BuildKit's parser does not apply itself.
func (b *builder) checkFile() {
	for _, w := range b.parsed.Warnings {
		if w.URL == linter.RuleNoEmptyContinuation.URL && w.Location != nil {
			b.lint.Run(&linter.RuleNoEmptyContinuation, []parser.Range{*w.Location}, linter.RuleNoEmptyContinuation.Format())
		}
	}
	b.checkCasing()
	seen := map[string]bool{}
	for _, s := range b.list {
		b.checkName(s.def, seen)
		b.checkFrom(s.def)
		b.checkBase(s)
		b.checkStage(s)
	}
}

// checkCasing wants all instructions in the letters of most of them.
func (b *builder) checkCasing() {
	lower, upper := 0, 0
	for _, n := range b.parsed.AST.Children {
		switch n.Value {
		case strings.ToLower(n.Value):
			lower++
		case strings.ToUpper(n.Value):
			upper++
		}
	}
	change, name := strings.ToUpper, "uppercase"
	if lower > upper {
		change, name = strings.ToLower, "lowercase"
	}
	for _, n := range b.parsed.AST.Children {
		if n.Value != change(n.Value) {
			b.lint.Run(&linter.RuleConsistentInstructionCasing, n.Location(), linter.RuleConsistentInstructionCasing.Format(n.Value, name))
		}
	}
}

func (b *builder) checkName(def instructions.Stage, seen map[string]bool) {
	name := strings.ToLower(def.Name)
	if name == "" {
		return
	}
	if seen[name] {
		b.lint.Run(&linter.RuleDuplicateStageName, def.Location, linter.RuleDuplicateStageName.Format(def.Name))
	}
	seen[name] = true
	if name == "context" || name == scratchBase {
		b.lint.Run(&linter.RuleReservedStageName, def.Location, linter.RuleReservedStageName.Format(def.Name))
	}
}

// checkFrom looks at the line of a FROM.
func (b *builder) checkFrom(def instructions.Stage) {
	result, err := b.lexer().ProcessWordWithMatches(def.BaseName, shell.EnvsFromSlice(b.global))
	if err != nil {
		return // the build says so
	}
	for name := range result.Unmatched {
		b.lint.Run(&linter.RuleUndefinedArgInFrom, def.Location, linter.RuleUndefinedArgInFrom.Format(name, ""))
	}
	if result.Result == "" || strings.HasSuffix(result.Result, ":") || strings.HasPrefix(result.Result, ":") {
		b.lint.Run(&linter.RuleInvalidDefaultArgInFrom, def.Location, linter.RuleInvalidDefaultArgInFrom.Format(def.BaseName))
	}
	switch platform := def.Platform; {
	case platform == "$TARGETPLATFORM" || platform == "${TARGETPLATFORM}":
		b.lint.Run(&linter.RuleRedundantTargetPlatform, def.Location, linter.RuleRedundantTargetPlatform.Format(platform))
	case platform != "" && !strings.Contains(platform, "$") && !strings.Contains(def.Name, path.Base(platform)):
		b.lint.Run(&linter.RuleFromPlatformFlagConstDisallowed, def.Location, linter.RuleFromPlatformFlagConstDisallowed.Format(platform))
	}
}

// checkBase wants a base image that is stored to be for the platform of the build.
// Others are not known before they are pulled.
func (b *builder) checkBase(s *stage) {
	name, _, err := b.lexer().ProcessWord(s.def.BaseName, shell.EnvsFromSlice(b.global))
	platform, _, err2 := b.lexer().ProcessWord(s.def.Platform, shell.EnvsFromSlice(b.global))
	if err != nil || err2 != nil || name == scratchBase || b.stageNamed(name, s.index) != nil || b.Named[name] != "" {
		return
	}
	if platform == "" {
		platform = b.Platform
	}
	want, err := platformOf(platform)
	if err != nil {
		return
	}
	if is, stored := b.platformStored(name, platform, want); stored && (is.OS != want.OS || is.Architecture != want.Architecture) {
		b.lint.Run(&linter.RuleInvalidBaseImagePlatform, s.def.Location,
			linter.RuleInvalidBaseImagePlatform.Format(name, want.OS+"/"+want.Architecture, is.OS+"/"+is.Architecture))
	}
}

// platformStored is the platform of the image that a build would begin with; not
// stored is one that it would pull.
func (b *builder) platformStored(name, typed string, want ispec.Platform) (is storage.Platform, stored bool) {
	if img, err := storage.Lookup(b.places.Data, name, typed); err == nil {
		return img.Platform, true
	}
	if typed != "" {
		return is, false
	}
	img, err := b.images.Inspect(name, want.OS+"/"+want.Architecture)
	if err != nil {
		img, err = b.images.Inspect(name, "")
	}
	return storage.Platform{OS: img.Os, Architecture: img.Architecture}, err == nil
}

// stageCheck is what checkStage knows of the instructions so far.
type stageCheck struct {
	b     *builder
	lint  *linter.Linter
	known []string // variables, as NAME=
	// base is whether the image below may define more variables than are known.
	base    bool
	workdir bool
	count   map[string]int
}

func (b *builder) checkStage(s *stage) {
	c := &stageCheck{b: b, lint: b.lint, count: map[string]int{}, base: s.def.BaseName != scratchBase, known: []string{"PATH="}}
	if below := b.stageNamed(s.def.BaseName, s.index); below != nil && below.checked != nil {
		c.known, c.base, c.workdir = slices.Clone(below.checked.known), below.checked.base, below.checked.workdir
	}
	s.checked = c
	for _, command := range s.def.Commands {
		c.check(command)
	}
}

func (c *stageCheck) run(rule linter.LinterRuleI, command instructions.Command, text string) {
	c.lint.Run(rule, command.Location(), text)
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
	if inShell {
		c.run(&linter.RuleJSONArgsRecommended, command, linter.RuleJSONArgsRecommended.Format(strings.ToUpper(command.Name())))
	}
	c.once(command)
}

// once warns of an instruction of which only the last one counts.
func (c *stageCheck) once(command instructions.Command) {
	name := strings.ToUpper(command.Name())
	if c.count[name]++; c.count[name] > 1 {
		c.run(&linter.RuleMultipleInstructionsDisallowed, command, linter.RuleMultipleInstructionsDisallowed.Format(name))
	}
}

// ignored warns of files that .dockerignore leaves out. Where that takes some in
// again, too, only the files themselves tell.
func (c *stageCheck) ignored(command instructions.Command, word string, sources []string) {
	ignored := c.b.context.ignored
	if ignored == nil || ignored.Exclusions() {
		return
	}
	for _, name := range sources {
		name = strings.TrimPrefix(path.Clean("/"+name), "/")
		if name != "" && c.b.context.excludedBy(name) != "" {
			c.run(&linter.RuleCopyIgnoredFile, command, linter.RuleCopyIgnoredFile.Format(word, name))
		}
	}
}

func (c *stageCheck) pairs(command instructions.Command, list instructions.KeyValuePairs) {
	for _, p := range list {
		if p.NoDelim {
			c.run(&linter.RuleLegacyKeyValueFormat, command, linter.RuleLegacyKeyValueFormat.Format(strings.ToUpper(command.Name())))
			return
		}
	}
}

// secretWords are words in names of what should be a secret, and publicWords in
// those of what may look like one.
var (
	secretWords = regexp.MustCompile(`(?i)(?:_|^)(?:apikey|auth|credential|credentials|key|password|pword|passwd|secret|token)(?:_|$)`)
	publicWords = regexp.MustCompile(`(?i)(?:_|^)public(?:_|$)`)
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
		near := c.nearest(name)
		if near != "" || !c.base {
			c.run(&linter.RuleUndefinedVar, command, linter.RuleUndefinedVar.Format(name, near))
		}
	}
}

// nearest is a known variable whose name has the same letters but one.
func (c *stageCheck) nearest(name string) string {
	for _, k := range c.known {
		k = strings.TrimSuffix(k, "=")
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
