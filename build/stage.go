package build

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerfile/shell"
	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"

	"github.com/rl-project/rl/storage"
	"github.com/rl-project/rl/storage/store"
)

// stage is one FROM and what follows it, or an image that is copied from.
type stage struct {
	b     *builder
	index int // in the Dockerfile; -1 for an image
	def   instructions.Stage

	once sync.Once
	done chan struct{}
	err  error

	checked *stageCheck // see checkStage

	whole bool // see absent.go
	again struct {
		sync.Once
		stage *stage
		err   error
	}
	reached
}

// reached is what the steps of a stage so far came to.
type reached struct {
	image   dockerspec.DockerOCIImage
	base    store.Base
	results []*result // of the steps, the first first
	key     string    // stands for the files
	env     []string  // of RUN: ENV and ARG, the later one winning
	args    []instructions.KeyValuePairOptional
	created *time.Time // when the last step was done
	cmdSet  bool
	// inherited is how many lines of the history the base image has.
	inherited int
	onbuild   int // how many of the first commands the base image has
	step      int // that is being done
	steps     int // that there are
}

// scratchBase is the base image without anything.
const scratchBase = "scratch"

// shown is what messages call a stage.
func (s *stage) shown() string {
	switch {
	case s.def.Name != "":
		return s.def.Name
	case len(s.b.list) == 1:
		return ""
	}
	return fmt.Sprintf("stage-%d", s.index)
}

// start begins the stage, unless something else needed it before.
func (s *stage) start(ctx context.Context) {
	s.once.Do(func() {
		s.done = make(chan struct{})
		s.b.stages.Go(func() {
			defer close(s.done)
			if s.err = s.run(ctx); s.err != nil {
				s.b.cancel(s.err) // the others need not go on
			}
		})
	})
}

// wait starts the stage and returns when it is done.
func (s *stage) wait(ctx context.Context) error {
	s.start(ctx)
	select {
	case <-s.done:
	case <-ctx.Done():
		<-s.done // its own end is near, and its error says more
	}
	if s.err != nil && errors.Is(s.err, context.Canceled) && context.Cause(ctx) != nil {
		return context.Cause(ctx)
	}
	return s.err
}

// attempt finds the base and does the steps.
func (s *stage) attempt(ctx context.Context) error {
	if err := s.from(ctx); err != nil && s.index < 0 {
		return err // who copies from it says where
	} else if err != nil {
		return s.b.at(err, s.def.Location)
	}
	commands, err := s.triggers()
	if err != nil {
		return s.b.at(err, s.def.Location)
	}
	s.onbuild = len(commands)
	commands = append(commands, s.def.Commands...)
	if err := s.prepare(ctx, commands); err != nil {
		return err
	}
	for i, c := range commands {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		if err := s.do(ctx, c); err != nil {
			return s.b.at(err, s.lines(i, c))
		}
	}
	return nil
}

// lines are where command number i stands: one of the base image's, at FROM.
func (s *stage) lines(i int, c instructions.Command) []parser.Range {
	if i < s.onbuild {
		return s.def.Location
	}
	return c.Location()
}

// prepare counts the steps and starts the stages that they need.
func (s *stage) prepare(ctx context.Context, commands []instructions.Command) error {
	s.step, s.steps = 1, 1
	for i, c := range commands {
		var from []string
		switch c := c.(type) {
		case *instructions.CopyCommand:
			s.steps++
			if word, _, err := s.b.lexer().ProcessWord(c.From, shell.EnvsFromSlice(nil)); err != nil || word != c.From {
				return s.b.at(fmt.Errorf("--from=%s: variables are not replaced here: begin a stage with FROM %s AS NAME, and copy from NAME", c.From, c.From), s.lines(i, c))
			}
			from = append(from, c.From)
		case *instructions.RunCommand:
			s.steps++
			for _, m := range instructions.GetMounts(c) {
				from = append(from, m.From)
			}
		case *instructions.AddCommand, *instructions.WorkdirCommand:
			s.steps++
		}
		for _, name := range from {
			if name == "" {
				continue
			}
			if s.b.named[contextKey(name)] != nil {
				continue
			}
			needed, err := s.b.source(name, s)
			if err != nil {
				return s.b.at(err, s.lines(i, c))
			}
			needed.start(ctx)
		}
	}
	return nil
}

// from makes the base the beginning of the stage.
func (s *stage) from(ctx context.Context) error {
	name, _, err := s.b.lexer().ProcessWord(s.def.BaseName, shell.EnvsFromSlice(s.b.global))
	if err != nil {
		return err
	}
	if name == "" {
		return fmt.Errorf("base name (%s) is empty: give the ARG in it a value, with --build-arg or a default", s.def.BaseName)
	}
	if name == scratchBase {
		return s.fromNothing()
	}
	if files, err := s.contextNamed(ctx, name); err != nil {
		return err
	} else if files != nil {
		return s.fromContext(ctx, name)
	}
	if s.index >= 0 && s.b.named[contextKey(name)] == nil {
		if below := s.b.stageNamed(name, s.index); below != nil && !isNumber(name) {
			if err := below.wait(ctx); err != nil {
				return err
			}
			if s.whole {
				if below, err = below.present(ctx); err != nil {
					return err
				}
			}
			s.inherit(below)
			return nil
		}
	}
	return s.fromImage(ctx, name)
}

func isNumber(s string) bool { return strings.Trim(s, "0123456789") == "" }

// inherit goes on where another stage ended. Its build arguments hold here, too,
// except where an ENV has the same name: that counts again, as with BuildKit.
func (s *stage) inherit(below *stage) {
	data, _ := json.Marshal(below.image) // what was read from JSON
	_ = json.Unmarshal(data, &s.image)
	s.base, s.key = below.base, below.key
	s.results, s.inherited = slices.Clone(below.results), below.inherited
	s.env, s.args = slices.Clone(below.env), slices.Clone(below.args)
	for _, e := range s.image.Config.Env {
		key, value, _ := strings.Cut(e, "=")
		s.env = setEnv(s.env, key, value)
	}
}

// fromImage begins with a stored image, which is pulled if it has to be.
func (s *stage) fromImage(ctx context.Context, name string) error {
	log := s.b.Progress.begin(s.title("FROM " + name))
	err := s.openBase(ctx, name)
	if err != nil && s.index < 0 && !strings.ContainsAny(name, "/:@.") {
		err = fmt.Errorf("no stage is called %s, and as an image: %w", name, err)
	}
	log.done(err)
	return err
}

func (s *stage) openBase(ctx context.Context, name string) error {
	platform, err := s.platform()
	if err != nil {
		return err
	}
	if name, err = s.imageNamed(ctx, name); err != nil {
		return err
	}
	s.b.mu.Lock() // the store is not made for two callers
	defer s.b.mu.Unlock()
	if err := s.claimBase(ctx, name, store.ResolveOptions{When: s.b.Pull, Pull: store.PullOptions{Platform: platform}}); err != nil {
		return err
	}
	if p := s.base.Platform; s.index >= 0 && platform == "" && (p.OS != "linux" || p.Architecture != runtime.GOARCH) {
		return fmt.Errorf("image %s is for %s/%s, not for this machine: use --platform to build with it nevertheless", name, p.OS, p.Architecture)
	}
	if err := s.b.throughProgram(&s.base); err != nil {
		return err
	}
	if err := json.Unmarshal(s.base.Blob, &s.image); err != nil {
		return fmt.Errorf("configuration of %s: %w", name, err)
	}
	s.key, s.inherited = s.base.ID, len(s.image.History)
	s.image.Config.Env = withPath(s.image.Config.Env)
	s.env = s.image.Config.Env
	return nil
}

// platform is the one that FROM or the command line asks for, as OS/ARCH; "" for
// this machine's.
func (s *stage) platform() (string, error) {
	typed, _, err := s.b.lexer().ProcessWord(s.def.Platform, shell.EnvsFromSlice(s.b.global))
	switch {
	case err == nil && typed == "" && s.def.Platform != "":
		return "", fmt.Errorf("--platform=%s is empty: give the ARG in it a value", s.def.Platform)
	case typed == "":
		typed = s.b.Platform
	}
	return typed, err
}

// claimBase finds the base image and keeps it from being removed. Other processes
// change the store meanwhile; each time one has, it is looked for again.
func (s *stage) claimBase(ctx context.Context, name string, o store.ResolveOptions) (err error) {
	for {
		if s.base, err = s.b.images.Base(ctx, name, o); err != nil {
			return err
		}
		if err = s.b.claim(s.base.Image); !errors.Is(err, storage.ErrNotResolved) {
			return err
		}
		if o.When = store.PullMissing; ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
}

// defaultPath is what programs are looked for in when the image does not say.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

func withPath(env []string) []string {
	if slices.ContainsFunc(env, func(e string) bool { return strings.HasPrefix(e, "PATH=") }) {
		return slices.Clone(env)
	}
	return setEnv(env, "PATH", defaultPath)
}

// fromNothing begins the stage with an image that has no files.
func (s *stage) fromNothing() error {
	typed, err := s.platform()
	if err != nil {
		return err
	}
	p, err := platformOf(typed)
	if err != nil {
		return err
	}
	s.image.OS, s.image.Architecture, s.image.Variant = p.OS, p.Architecture, p.Variant
	s.image.RootFS.Type = "layers"
	s.image.Config.WorkingDir = "/"
	s.image.Config.Env = withPath(nil)
	s.env, s.key = s.image.Config.Env, scratchBase
	return nil
}

// triggers takes the ONBUILD instructions out of the base image.
func (s *stage) triggers() ([]instructions.Command, error) {
	var commands []instructions.Command
	for _, text := range s.image.Config.OnBuild {
		c, err := parseOne(text)
		if err != nil {
			return nil, fmt.Errorf("ONBUILD %s of the base image: %w", text, err)
		}
		commands = append(commands, c)
	}
	s.image.Config.OnBuild = nil
	return commands, nil
}

// title is how the progress names a step.
func (s *stage) title(text string) string {
	name := s.shown()
	if name != "" {
		name += " "
	}
	if s.steps == 0 {
		return fmt.Sprintf("[%s1/%d] %s", name, max(1, s.countSteps()), text)
	}
	return fmt.Sprintf("[%s%d/%d] %s", name, s.step, s.steps, text)
}

func (s *stage) countSteps() int {
	n := 1
	for _, c := range s.def.Commands {
		switch c.(type) {
		case *instructions.CopyCommand, *instructions.RunCommand, *instructions.AddCommand, *instructions.WorkdirCommand:
			n++
		}
	}
	return n
}

// keyOf makes a cache key of values that JSON can hold.
func keyOf(values ...any) string {
	data, err := json.Marshal(values)
	if err != nil {
		panic(err) // of this program's own types
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// change does a step that changes files, or takes what it left before from the
// cache. title is for the progress, key everything that decides the result.
func (s *stage) change(ctx context.Context, title, command, key string, do func(*stepLog, *workspace) error) error {
	return s.changeOn(ctx, s.layers(), title, command, key, do)
}

// changeOn is change on top of other layers than the stage's, with a key that
// does not depend on those.
func (s *stage) changeOn(ctx context.Context, layers []string, title, command, key string, do func(*stepLog, *workspace) error) error {
	if found, err := s.recall(ctx, layers, title, key); found || err != nil {
		return err
	}
	if s.lacks() {
		return errAbsent
	}
	s.step++
	log := s.b.Progress.begin(s.title(title))
	r, err := s.execute(ctx, layers, log, command, key, do)
	log.done(err)
	if err != nil {
		return s.failed(err, log)
	}
	s.keepResult(r)
	return nil
}

func (s *stage) failed(err error, log *stepLog) error {
	var exit *ExitError
	if !errors.As(err, &exit) {
		return err
	}
	return &withLog{err, log.log()}
}

func (s *stage) keepResult(r *result) {
	s.results = append(s.results, r)
	s.key, s.created = keyOf(s.key, r.Key+r.Again), &r.Created
	if s.b.Epoch != nil {
		s.created = s.b.Epoch // whenever the step was done
	}
}

func (s *stage) ignoresCache() bool {
	if s.b.NoCache {
		return true
	}
	return slices.ContainsFunc(s.b.NoCacheFor, func(name string) bool {
		return strings.EqualFold(name, s.def.Name) || name == fmt.Sprint(s.index)
	})
}

// execute does a step and makes what it left a result.
func (s *stage) execute(ctx context.Context, layers []string, log *stepLog, command, key string, do func(*stepLog, *workspace) error) (*result, error) {
	w, err := s.b.workspace(layers)
	if err != nil {
		return nil, err
	}
	defer w.close()
	if err := do(log, w); err != nil {
		return nil, err
	}
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	if err := w.unmount(); err != nil {
		return nil, err
	}
	if w.torn {
		key = keyOf(key, newID()) // nobody finds it again
	}
	f := s.facts(key, command)
	f.Copied = w.copied
	return s.b.cache.add(w.result(), key, f)
}

func (s *stage) facts(key, command string) facts {
	f := facts{Key: key, Command: command, Created: s.b.now()}
	if s.ignoresCache() {
		f.Again = newID()[:20]
	}
	return f
}

// now is the time that goes into images.
func (b *builder) now() time.Time {
	if b.Epoch != nil {
		return b.Epoch.UTC()
	}
	return time.Now().UTC()
}

// layers returns the folders that the stage's files are in, the topmost first.
func (s *stage) layers() []string {
	var dirs []string
	for _, r := range slices.Backward(s.results) {
		dirs = append(dirs, r.fs())
	}
	if s.base.Image != nil {
		dirs = append(dirs, s.base.Layers...)
	}
	return dirs
}

// config is the stage's configuration as containers are made from it.
func (s *stage) config() storage.Config {
	c := s.image.Config
	return storage.Config{User: c.User, WorkingDir: c.WorkingDir, Env: s.env, Shell: c.Shell}
}
