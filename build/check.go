package build

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

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
// makes warnings errors. Base images are looked at if they are stored, others with
// Options.AskRegistries; one that cannot be had is not against a rule.
func Check(ctx context.Context, places dirs.Dirs, images *store.Store, o Options) (warnings []Warning, strict bool, err error) {
	b := &builder{Options: o, places: places, images: images}
	if b.lint, err = b.linter(func(w Warning) { warnings = append(warnings, w) }); err != nil {
		return nil, false, err
	}
	if err := b.readFile(); err != nil {
		return nil, false, err
	}
	if b.context, err = readIgnore(o.Ignore); err != nil {
		return nil, false, err
	}
	b.checkFile(ctx)
	slices.SortStableFunc(warnings, func(a, b Warning) int { return a.Line() - b.Line() })
	same := func(a, b Warning) bool { return a.Text == b.Text && a.Line() == b.Line() }
	return slices.CompactFunc(warnings, same), b.lint.ReturnAsError, nil
}

// linter applies the rules that the "# check=" line at the top of the Dockerfile leaves on.
func (b *builder) linter(warn func(Warning)) (_ *linter.Linter, err error) {
	config := &linter.Config{}
	if text, _, where, ok := parser.ParseDirective("check", b.File); ok {
		if config, err = linter.ParseLintOptions(text); err != nil {
			return nil, b.at(err, where)
		}
	}
	config.Warn = func(rule, about, url, text string, where []parser.Range) {
		w := Warning{Rule: rule, Description: about, URL: url, Text: text, Where: where}
		if len(where) > 0 {
			w.Source = excerpt(b.File, w.Line(), where[len(where)-1].End.Line)
		}
		warn(w)
	}
	return linter.New(config), nil
}

// checkFile applies the rules that BuildKit's parser does not apply itself.
func (b *builder) checkFile(ctx context.Context) {
	for _, w := range b.parsed.Warnings {
		if w.URL == linter.RuleNoEmptyContinuation.URL && w.Location != nil {
			b.lint.Run(&linter.RuleNoEmptyContinuation, []parser.Range{*w.Location}, linter.RuleNoEmptyContinuation.Format())
		}
	}
	b.checkCasing()
	seen, defaults := map[string]bool{}, b.defaults()
	for _, s := range b.list {
		b.checkName(s.def, seen)
		b.checkFrom(s.def, defaults)
		b.checkBase(ctx, s)
		b.checkStage(s)
	}
}

// cased is a word of the Dockerfile that rules may want in other letters.
type cased struct {
	word  string
	where []parser.Range
}

// words are the names of the instructions.
func (b *builder) words() (list []cased) {
	for _, s := range b.list {
		list = append(list, cased{s.def.OrigCmd, s.def.Location})
		for _, c := range s.def.Commands {
			list = append(list, cased{c.Name(), c.Location()})
		}
	}
	return list
}

// checkCasing wants all instructions in the letters of most of them.
func (b *builder) checkCasing() {
	lower, upper, words := 0, 0, b.words()
	for _, n := range words {
		switch n.word {
		case strings.ToLower(n.word):
			lower++
		case strings.ToUpper(n.word):
			upper++
		}
	}
	change, name := strings.ToUpper, "uppercase"
	if lower > upper {
		change, name = strings.ToLower, "lowercase"
	}
	for _, n := range words {
		if n.word != change(n.word) {
			b.lint.Run(&linter.RuleConsistentInstructionCasing, n.where, linter.RuleConsistentInstructionCasing.Format(n.word, name))
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

// defaults are the variables of FROM as they are without --build-arg.
func (b *builder) defaults() []string {
	plain := &builder{Options: b.Options, list: b.list, escape: b.escape}
	plain.Args = nil
	if plain.globals(b.globalArgs) != nil {
		return b.global // the build says what is wrong with them
	}
	return plain.global
}

// checkFrom looks at the line of a FROM.
func (b *builder) checkFrom(def instructions.Stage, defaults []string) {
	lint := b.lint.WithMergedConfigFromComments(def.Comments)
	name, err := b.lexer().ProcessWordWithMatches(def.BaseName, shell.EnvsFromSlice(b.global))
	platform, err2 := b.lexer().ProcessWordWithMatches(def.Platform, shell.EnvsFromSlice(b.global))
	if err != nil || err2 != nil {
		return // the build says so
	}
	for _, unknown := range slices.Sorted(maps.Keys(merge(name.Unmatched, platform.Unmatched))) {
		if near := nearest(unknown, b.global); !b.declares(unknown) {
			lint.Run(&linter.RuleUndefinedArgInFrom, def.Location, linter.RuleUndefinedArgInFrom.Format(unknown, near))
		}
	}
	usual, err := b.lexer().ProcessWordWithMatches(def.BaseName, shell.EnvsFromSlice(defaults))
	if _, wrong := storage.ParseReference(usual.Result); err == nil && wrong != nil {
		lint.Run(&linter.RuleInvalidDefaultArgInFrom, def.Location, linter.RuleInvalidDefaultArgInFrom.Format(def.BaseName))
	}
	checkPlatform(lint, def, platform, b.global)
}

// declares reports whether there is an ARG before the first FROM, perhaps without a value.
func (b *builder) declares(name string) bool {
	return slices.ContainsFunc(b.globalArgs, func(c instructions.ArgCommand) bool {
		return slices.ContainsFunc(c.Args, func(a instructions.KeyValuePairOptional) bool { return a.Key == name })
	})
}

// checkPlatform looks at the --platform of a FROM.
func checkPlatform(lint *linter.Linter, def instructions.Stage, is shell.ProcessWordResult, global []string) {
	target, _ := shell.EnvsFromSlice(global).Get("TARGETPLATFORM")
	_, redundant := is.Matched["TARGETPLATFORM"]
	switch p, err := platformOf(is.Result); {
	case redundant && len(is.Matched) == 1 && len(is.Unmatched) == 0 && is.Result == target:
		lint.Run(&linter.RuleRedundantTargetPlatform, def.Location, linter.RuleRedundantTargetPlatform.Format(def.Platform))
	case is.Result == "" || err != nil || len(is.Matched) > 0 || len(is.Unmatched) > 0:
	case !strings.Contains(def.Name, p.OS) && !strings.Contains(def.Name, p.Architecture):
		lint.Run(&linter.RuleFromPlatformFlagConstDisallowed, def.Location, linter.RuleFromPlatformFlagConstDisallowed.Format(is.Result))
	}
}

func merge(a, b map[string]struct{}) map[string]struct{} {
	all := map[string]struct{}{}
	maps.Copy(all, a)
	maps.Copy(all, b)
	return all
}

// checkBase wants the base image to be for the platform of the build.
func (b *builder) checkBase(ctx context.Context, s *stage) {
	name, _, err := b.lexer().ProcessWord(s.def.BaseName, shell.EnvsFromSlice(b.global))
	platform, err2 := s.platform()
	if err != nil || err2 != nil || name == scratchBase || b.stageNamed(name, s.index) != nil || b.named[contextKey(name)] != nil {
		return
	}
	want, err := platformOf(platform)
	if err != nil {
		return
	}
	is, env, found := b.lookup(name, platform, want)
	if !found && b.AskRegistries {
		is, env, found = b.askRegistry(ctx, name)
	}
	if found {
		s.base.Image = &storage.Image{Platform: is}
		s.image.Config.Env = env
		s.checkPlatformOf(name, want, is)
	}
}

// checkPlatformOf wants the image that was found to be for the platform that was meant.
func (s *stage) checkPlatformOf(name string, want ispec.Platform, is storage.Platform) {
	if is.OS == want.OS && is.Architecture == want.Architecture {
		return
	}
	s.b.lint.WithMergedConfigFromComments(s.def.Comments).Run(&linter.RuleInvalidBaseImagePlatform, s.def.Location,
		linter.RuleInvalidBaseImagePlatform.Format(name, want.OS+"/"+want.Architecture, is.OS+"/"+is.Architecture))
}

// lookup tells the platform and the variables of the image that a build would begin
// with; not stored is one that it would pull.
func (b *builder) lookup(name, typed string, want ispec.Platform) (is storage.Platform, env []string, stored bool) {
	if img, err := storage.Lookup(b.places.Data, name, typed); err == nil {
		return img.Platform, img.Config.Env, true
	}
	if typed != "" {
		return is, nil, false
	}
	img, err := b.images.Inspect(name, want.OS+"/"+want.Architecture)
	if err != nil {
		img, err = b.images.Inspect(name, "")
	}
	if err != nil {
		return is, nil, false
	}
	return storage.Platform{OS: img.Os, Architecture: img.Architecture}, img.Config.Env, true
}

// askRegistry is lookup for an image that is not stored. One for several platforms is
// not found: which of them a build gets is decided there.
func (b *builder) askRegistry(ctx context.Context, name string) (is storage.Platform, env []string, found bool) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	ref, err := storage.NormalizeReference(name)
	if err != nil {
		return is, nil, false
	}
	opened, err := b.images.Open(ctx, store.Remote{Name: ref})
	if err != nil {
		return is, nil, false
	}
	defer opened.Close()
	var img ispec.Image
	err = json.Unmarshal(opened.Config, &img)
	return storage.Platform{OS: img.OS, Architecture: img.Architecture}, img.Config.Env, err == nil
}
