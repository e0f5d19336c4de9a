package build

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerfile/shell"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/rl-project/rl/storage/store"
)

// readFile reads the Dockerfile into stages.
func (b *builder) readFile() error {
	if len(bytes.TrimSpace(b.File)) == 0 {
		return fmt.Errorf("%s is empty: it begins with FROM IMAGE", b.FileName)
	}
	if err := b.badLine(); err != nil {
		return err
	}
	ast, err := parser.Parse(bytes.NewReader(b.File))
	if err != nil {
		return b.syntax(err)
	}
	defs, args, err := instructions.Parse(ast.AST, b.lint)
	if err != nil {
		return b.syntax(err)
	}
	if len(defs) == 0 {
		return fmt.Errorf("%s has no stages: it begins with FROM IMAGE", b.FileName)
	}
	b.escape = ast.EscapeToken
	b.parsed, b.globalArgs = ast, args
	for i, def := range defs {
		b.list = append(b.list, &stage{b: b, index: i, def: def})
	}
	b.openContexts()
	b.replaced()
	if err := b.globals(args); err != nil {
		return err
	}
	return b.findEpoch()
}

// EpochArg is the build argument, and the variable, with the time for the image.
const EpochArg = "SOURCE_DATE_EPOCH"

// contextEpoch stands for the time of the context.
const contextEpoch = "context"

// findEpoch finds the time that SOURCE_DATE_EPOCH asks for: on the command line, or in an
// ARG before the first FROM. Stages see the number that it comes to.
func (b *builder) findEpoch() (err error) {
	global := shell.EnvsFromSlice(b.global)
	inFile, declared := global.Get(EpochArg)
	text, given := b.Args[EpochArg]
	if !given {
		text = inFile
	}
	if text != contextEpoch {
		b.Epoch, err = ParseEpoch(text)
		return err
	}
	if b.Made != nil {
		b.Epoch, err = b.Made()
	}
	b.Args = maps.Clone(b.Args)
	delete(b.Args, EpochArg)
	b.global = slices.DeleteFunc(b.global, func(e string) bool { return strings.HasPrefix(e, EpochArg+"=") })
	if b.Epoch == nil {
		return err
	}
	text = strconv.FormatInt(b.Epoch.Unix(), 10)
	if given {
		b.Args[EpochArg] = text
	}
	if declared {
		b.global = setEnv(b.global, EpochArg, text)
	}
	return err
}

// ParseEpoch reads SOURCE_DATE_EPOCH, the time to which younger ones are set: nil for
// none, which is "", and for the time of the context, which is not known here.
func ParseEpoch(text string) (*time.Time, error) {
	if text == "" || text == contextEpoch {
		return nil, nil
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("%s %q is neither a number of seconds since 1970 nor %q", EpochArg, text, contextEpoch)
	}
	t := time.Unix(seconds, 0).UTC()
	return &t, nil
}

// targetName is what the variable TARGETSTAGE says.
func (b *builder) targetName() string {
	return cmp.Or(b.Target, b.list[len(b.list)-1].def.Name, "default")
}

// badLine complains of a line that the parser would not read, and would report
// as something else, and of one that the kernel would take for a shorter one.
func (b *builder) badLine() error {
	number := 0
	for line := range bytes.Lines(b.File) {
		number++
		var err error
		switch {
		case len(line) > bufio.MaxScanTokenSize-1:
			err = fmt.Errorf("the line has %d bytes and may have %d: put long texts into files, and COPY them", len(line), bufio.MaxScanTokenSize-1)
		case bytes.IndexByte(line, 0) >= 0:
			err = errors.New("the line has a zero byte, which no text has: save the file as UTF-8")
		}
		if err != nil {
			at := parser.Position{Line: number}
			return b.at(err, []parser.Range{{Start: at, End: at}})
		}
	}
	return nil
}

// syntax makes a parser's error one with a line.
func (b *builder) syntax(err error) error {
	var located *parser.LocationError
	if !errors.As(err, &located) || len(located.Locations) == 0 {
		return fmt.Errorf("%s: %w", b.FileName, err)
	}
	where := located.Locations[0]
	if len(where) > 0 && where[0].Start.Line == 0 { // of a directive
		where = nil
	}
	err = b.at(located.Unwrap(), where)
	if failed := new(StepError); errors.As(err, &failed) {
		failed.Source = withCaret(failed.Source, failed.Line, failed.Err.Error())
	}
	return err
}

// globals evaluates the ARGs before the first FROM, on top of what is known of
// the platforms.
func (b *builder) globals(args []instructions.ArgCommand) error {
	target, err := b.platform()
	if err != nil {
		return err
	}
	b.global = slices.Concat(platformArgs("BUILD", "linux", runtime.GOARCH, ""), target, []string{"TARGETSTAGE=" + b.targetName()})
	for _, key := range slices.Clone(b.global) {
		name, _, _ := strings.Cut(key, "=")
		if v, ok := b.Args[name]; ok {
			b.global = setEnv(b.global, name, v)
		}
	}
	for _, arg := range args {
		for _, a := range arg.Args {
			value, ok := b.Args[a.Key]
			if !ok && a.Value != nil {
				if value, _, err = b.lexer().ProcessWord(*a.Value, shell.EnvsFromSlice(b.global)); err != nil {
					return b.at(err, arg.Location())
				}
			}
			if ok || a.Value != nil {
				b.global = setEnv(b.global, a.Key, value)
			}
		}
	}
	return nil
}

// platform returns the arguments that describe the platform to build for.
func (b *builder) platform() ([]string, error) {
	p, err := platformOf(b.Platform)
	if err != nil {
		return nil, err
	}
	return platformArgs("TARGET", p.OS, p.Architecture, p.Variant), nil
}

// platformOf reads OS/ARCH; what is not said is as this machine has it.
func platformOf(text string) (p ispec.Platform, err error) {
	if text != "" {
		if p, err = store.ParsePlatform(text); err != nil {
			return p, err
		}
	} else {
		p.OS = "linux"
	}
	if p.Architecture == "" {
		p.Architecture = runtime.GOARCH
	}
	return p, nil
}

func platformArgs(prefix, os, arch, variant string) []string {
	whole := os + "/" + arch
	if variant != "" {
		whole += "/" + variant
	}
	return []string{prefix + "PLATFORM=" + whole, prefix + "OS=" + os, prefix + "OSVERSION=", prefix + "ARCH=" + arch, prefix + "VARIANT=" + variant}
}

// setEnv replaces a variable where it stands, or adds it.
func setEnv(env []string, key, value string) []string {
	for i, e := range env {
		if name, _, _ := strings.Cut(e, "="); name == key {
			env = slices.Clone(env)
			env[i] = key + "=" + value
			return env
		}
	}
	return append(slices.Clip(env), key+"="+value)
}

// proxyArgs are build arguments that need no ARG, and leave no trace.
var proxyArgs = [...]string{"HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY"}

func isProxyArg(key string) bool { return slices.Contains(proxyArgs[:], strings.ToUpper(key)) }
