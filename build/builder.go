package build

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerfile/shell"

	"github.com/rl-project/rl/internal/dirs"
	"github.com/rl-project/rl/internal/scratch"
	"github.com/rl-project/rl/runner"
	"github.com/rl-project/rl/runner/spec"
	"github.com/rl-project/rl/storage"
	"github.com/rl-project/rl/storage/store"
)

// builder is one build under way.
type builder struct {
	Options
	places  dirs.Dirs
	images  *store.Store
	cache   cache
	scratch *scratch.Folder
	context *buildContext
	// Epoch, if not nil, replaces all younger times in the image.
	Epoch *time.Time
	// escape is the Dockerfile's escape character.
	escape rune
	// global are the ARGs before the first FROM, and the platform's.
	global []string
	list   []*stage
	// parsed is the Dockerfile, globalArgs are its ARGs before the first FROM, and
	// lint, if not nil, is told what is against a rule.
	parsed     *parser.Result
	globalArgs []instructions.ArgCommand
	lint       *linter.Linter
	cancel     context.CancelCauseFunc
	stages     sync.WaitGroup

	mu       sync.Mutex
	external map[string]*stage // images that are copied from
	claims   []string
	held     []string // folders of the claimed images' layers
	attached []string // places of contexts in the scratch folder

	opened []*buildContext
	named  map[string]*named

	imports  []imported
	networks networks
	agents   map[string]agentOpener
}

// claim keeps an image from being removed while the build lasts. b.mu is held.
func (b *builder) claim(img *storage.Image) error {
	id := newID()
	if err := img.Claim(id, b.scratch.Path); err != nil {
		return err
	}
	b.claims, b.held = append(b.claims, id), append(b.held, img.Layers...)
	return nil
}

// lexer replaces variables. It keeps the word it is at, and stages run side by
// side, so that each caller has one of its own.
func (b *builder) lexer() *shell.Lex { return shell.NewLex(b.escape) }

// target is the stage that was asked for.
func (b *builder) target() (*stage, error) {
	if b.Target == "" {
		return b.list[len(b.list)-1], nil
	}
	if s := b.stageNamed(b.Target, len(b.list)); s != nil {
		return s, nil
	}
	var names []string
	for _, s := range b.list {
		names = append(names, s.shown())
	}
	if len(names) == 1 && names[0] == "" {
		return nil, fmt.Errorf("%w %q: the Dockerfile has one, without a name", ErrNoStage, b.Target)
	}
	return nil, fmt.Errorf("%w %q: the Dockerfile has %s", ErrNoStage, b.Target, strings.Join(names, ", "))
}

// stageNamed finds a stage before number limit by name, the last one winning, or
// by number.
func (b *builder) stageNamed(name string, limit int) *stage {
	for i := limit - 1; i >= 0; i-- {
		if strings.EqualFold(b.list[i].def.Name, name) || fmt.Sprint(i) == name {
			return b.list[i]
		}
	}
	return nil
}

// source is what --from names: an earlier stage, or an image.
func (b *builder) source(name string, in *stage) (*stage, error) {
	if b.named[contextKey(name)] != nil {
		return b.imageStage(name), nil
	}
	if s := b.stageNamed(name, in.index); s != nil {
		return s, nil
	}
	if s := b.stageNamed(name, len(b.list)); s != nil {
		if s == in {
			return nil, fmt.Errorf("%w: stage %s copies from itself", ErrCycle, name)
		}
		return nil, fmt.Errorf("%w: stage %s comes after %s, which needs it", ErrCycle, s.shown(), in.shown())
	}
	return b.imageStage(name), nil
}

// imageStage stands for an image that is copied from.
func (b *builder) imageStage(name string) *stage {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s := b.external[name]; s != nil {
		return s
	}
	s := &stage{b: b, index: -1, def: instructions.Stage{BaseName: name, Name: name}}
	b.external[name] = s
	return s
}

func (b *builder) sshAccess() sshKeys { return sshKeys{b.KnownHosts, b.agents["default"]} }

// networks are the network namespaces of RUN, each used by one at a time.
type networks struct {
	mu   sync.Mutex
	free []*runner.StepNetwork
	all  []*runner.StepNetwork
}

func (n *networks) take(ctx context.Context, s runner.Store) (*runner.StepNetwork, error) {
	n.mu.Lock()
	if last := len(n.free) - 1; last >= 0 {
		network := n.free[last]
		n.free = n.free[:last]
		n.mu.Unlock()
		return network, nil
	}
	n.mu.Unlock()
	network, err := s.ConnectStep(ctx, newID())
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.all = append(n.all, network)
	return network, nil
}

func (n *networks) give(network *runner.StepNetwork) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.free = append(n.free, network)
}

func (n *networks) close() error {
	var err error
	for _, network := range n.all {
		err = errors.Join(err, network.Close())
	}
	return err
}

// hostLines turns --add-host into lines of /etc/hosts.
func hostLines(hosts []string) ([]byte, error) {
	var text []byte
	for _, one := range hosts {
		h, err := spec.ParseExtraHost(one)
		if err != nil {
			return nil, err
		}
		if !h.IP.IsValid() {
			if h.IP = runner.HostAddress(); !h.IP.IsValid() {
				return nil, fmt.Errorf("--add-host %s: this machine has no address but the loopback's", one)
			}
		}
		text = fmt.Appendf(text, "%s\t%s\n", h.IP, h.Name)
	}
	return text, nil
}

// outOfSpace adds the way out to an error about a full disk.
func outOfSpace(err error) error {
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		return fmt.Errorf("%w: free some space, for example with 'rl builder prune'", err)
	}
	return err
}
