package twin

import (
	"errors"
	"math"
	"net/netip"
	"os"
	"reflect"
	"testing"
	"time"
)

type inner struct {
	Words []string
	Big   *uint64
	dark  int
}

type outer struct {
	inner
	Yes, No  bool
	Small    int8
	Number   int64
	Unsigned uint16
	Text     string
	None     []string
	Empty    []string
	List     []inner
	Bytes    map[string][]byte
	NoMap    map[string]int
	Address  netip.Addr
	At       time.Time
	Took     time.Duration
	Deep     **inner
	Stays    *os.File `json:"-"`
}

func sample() outer {
	big := uint64(math.MaxUint64)
	deep := &inner{Words: []string{"", "x"}, Big: &big}
	return outer{
		Yes: true, Small: -128, Number: math.MinInt64, Unsigned: math.MaxUint16, Text: "a\x00ü\n", Empty: []string{},
		List: []inner{{}, *deep}, Bytes: map[string][]byte{"a": {0, 255}, "b": nil},
		Address: netip.MustParseAddr("fe80::1%eth0"), At: time.Unix(1, 2).UTC(), Took: -time.Second, Deep: &deep,
	}
}

func TestValuesArriveAsTheyWere(t *testing.T) {
	for _, want := range []outer{{}, sample()} {
		data, err := Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		var got outer
		if err := Unmarshal(data, &got); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v\nof  %+v", got, want)
		}
	}
}

func TestWhatStaysBehind(t *testing.T) {
	data, err := Marshal(outer{inner: inner{dark: 7}, Stays: os.Stdin})
	if err != nil {
		t.Fatal(err)
	}
	var got outer
	if err := Unmarshal(data, &got); err != nil || got.dark != 0 || got.Stays != nil {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestWhatCannotBeCarried(t *testing.T) {
	for _, v := range []any{1.5, make(chan int), func() {}, struct{ Any any }{}} {
		if _, err := Marshal(v); err == nil {
			t.Errorf("%T was carried", v)
		}
	}
}

func TestDamage(t *testing.T) {
	data, err := Marshal(sample())
	if err != nil {
		t.Fatal(err)
	}
	for n := range data {
		if err := Unmarshal(data[:n], new(outer)); err == nil {
			t.Errorf("the first %d of %d bytes were enough", n, len(data))
		}
	}
	if err := Unmarshal(append(data, 0), new(outer)); !errors.Is(err, ErrDamaged) {
		t.Errorf("one byte more: %v", err)
	}
}

// FuzzUnmarshal looks for bytes that take more memory than they could stand for,
// or that do not survive being written again.
func FuzzUnmarshal(f *testing.F) {
	data, err := Marshal(sample())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		var first, second outer
		if Unmarshal(data, &first) != nil {
			return
		}
		again, err := Marshal(first)
		if err != nil {
			return // a year that no text has
		}
		if err := Unmarshal(again, &second); err != nil || !reflect.DeepEqual(first, second) {
			t.Errorf("%+v became %+v, %v", first, second, err)
		}
	})
}
