package seccomp

import (
	"slices"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// Offsets in struct seccomp_data (linux/seccomp.h); both architectures are little-endian.
const (
	offNumber = 0
	offArch   = 4
	offArgs   = 16
)

// farthest is how many instructions a conditional jump can skip.
const farthest = 255

// program is code that is being written.
type program []unix.SockFilter

func (p *program) emit(code ...unix.SockFilter) { *p = append(*p, code...) }

// section appends the code for one architecture, skipped when the call is of another.
func (p *program) section(audit uint32, spans []span) {
	p.emit(jump(unix.BPF_JEQ, audit, 1, 0), skip(0))
	start := len(*p)
	p.emit(load(offNumber))
	p.tree(spans)
	(*p)[start-1] = skip(len(*p) - start)
}

// tree appends the binary search over spans, the number of the call being in the accumulator.
func (p *program) tree(spans []span) {
	if len(spans) == 1 {
		p.leaf(spans[0].verdict)
		return
	}
	mid := len(spans) / 2
	p.emit(unix.SockFilter{})
	start := len(*p)
	p.tree(spans[:mid])
	distance := len(*p) - start
	if distance <= farthest {
		(*p)[start-1] = jump(unix.BPF_JGE, spans[mid].first, distance, 0)
	} else {
		(*p)[start-1] = jump(unix.BPF_JGE, spans[mid].first, 0, 1)
		*p = slices.Insert(*p, start, skip(distance)) // jumps in the code behind are relative
	}
	p.tree(spans[mid:])
}

func (p *program) leaf(v *verdict) {
	for _, r := range v.rules {
		p.emit(r.assemble()...)
	}
	p.emit(ret(v.action))
}

// Placeholders for the targets of a test's jumps, replaced when the length of the code is known.
const (
	toPass = 254 // the next test
	toFail = 255 // behind the rule
)

// assemble makes the tests of a rule, one after the other, then its verdict; a test that fails leads behind it.
func (r rule) assemble() []unix.SockFilter {
	var prog []unix.SockFilter
	for _, c := range r.conds {
		code := c.assemble()
		for i := range code {
			resolve(&code[i], toPass, len(code)-i-1)
		}
		prog = append(prog, code...)
	}
	prog = append(prog, ret(r.action))
	for i := range prog {
		resolve(&prog[i], toFail, len(prog)-i-1)
	}
	return prog
}

// resolve: no rule is longer than 6 tests of 6 instructions, so that distances stay below the placeholders.
func resolve(i *unix.SockFilter, placeholder uint8, distance int) {
	if i.Code&0x07 != unix.BPF_JMP {
		return
	}
	if i.Jt == placeholder {
		i.Jt = uint8(distance)
	}
	if i.Jf == placeholder {
		i.Jf = uint8(distance)
	}
}

// assemble compares an argument in two halves, the upper one first.
func (c cond) assemble() []unix.SockFilter {
	low := load(offArgs + 8*uint32(c.Index))
	high := load(offArgs + 8*uint32(c.Index) + 4)
	h := uint32(c.Value >> 32)
	last := c.compareLow()
	switch {
	case c.narrow:
		return append([]unix.SockFilter{low}, last...)
	case c.Op == specs.OpMaskedEqual:
		want := uint32(c.ValueTwo >> 32)
		return append([]unix.SockFilter{high, and(h), jump(unix.BPF_JEQ, want, 0, toFail), low}, last...)
	}
	var decide []unix.SockFilter // by the upper halves, when they differ
	switch c.Op {
	case specs.OpNotEqual:
		decide = []unix.SockFilter{jump(unix.BPF_JEQ, h, 0, toPass)}
	case specs.OpGreaterThan, specs.OpGreaterEqual:
		decide = []unix.SockFilter{jump(unix.BPF_JGT, h, toPass, 0), jump(unix.BPF_JEQ, h, 0, toFail)}
	case specs.OpLessThan, specs.OpLessEqual:
		decide = []unix.SockFilter{jump(unix.BPF_JGT, h, toFail, 0), jump(unix.BPF_JEQ, h, 0, toPass)}
	default:
		decide = []unix.SockFilter{jump(unix.BPF_JEQ, h, 0, toFail)}
	}
	prog := append([]unix.SockFilter{high}, decide...)
	return append(append(prog, low), last...)
}

// compareLow is the last part of a test: the lower half is in the accumulator.
func (c cond) compareLow() []unix.SockFilter {
	v := uint32(c.Value)
	switch c.Op {
	case specs.OpNotEqual:
		return []unix.SockFilter{jump(unix.BPF_JEQ, v, toFail, toPass)}
	case specs.OpGreaterThan:
		return []unix.SockFilter{jump(unix.BPF_JGT, v, toPass, toFail)}
	case specs.OpGreaterEqual:
		return []unix.SockFilter{jump(unix.BPF_JGE, v, toPass, toFail)}
	case specs.OpLessThan:
		return []unix.SockFilter{jump(unix.BPF_JGE, v, toFail, toPass)}
	case specs.OpLessEqual:
		return []unix.SockFilter{jump(unix.BPF_JGT, v, toFail, toPass)}
	case specs.OpMaskedEqual: // Value is the mask, ValueTwo what has to be left
		return []unix.SockFilter{and(v), jump(unix.BPF_JEQ, uint32(c.ValueTwo), toPass, toFail)}
	}
	return []unix.SockFilter{jump(unix.BPF_JEQ, v, toPass, toFail)}
}

func load(offset uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset}
}

func and(mask uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: mask}
}

func jump(op uint16, k uint32, yes, no int) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_JMP | op | unix.BPF_K, Jt: uint8(yes), Jf: uint8(no), K: k}
}

func skip(n int) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JA, K: uint32(n)}
}

func ret(action uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: action}
}
