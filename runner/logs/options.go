package logs

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Drivers that --log-driver knows.
const (
	JSONFile = "json-file"
	// Local keeps more than JSONFile by default, in the same files, and
	// compresses them.
	Local = "local"
	// Journald sends output to the machine's journal.
	Journald = "journald"
	None     = "none"
)

const (
	defaultSize  = 10_000_000
	defaultFiles = 3

	defaultLocalSize  = 20_000_000
	defaultLocalFiles = 5
	defaultBuffer     = 1 << 20
)

// Options say how a container's output is kept. The zero value is the
// default: json-file, three files of ten megabytes.
type Options struct {
	Driver string // "" is JSONFile
	// MaxSize is the size in bytes at which a file is set aside. It may be
	// exceeded by one entry. 0 is the default, negative is no limit.
	MaxSize int64
	MaxFile int // how many files there are at most; 0 is the default
	// Compress is whether files that were set aside are compressed.
	Compress bool `json:",omitempty"`
	// Mode is "non-blocking" where output that the disk is too slow for is
	// dropped, instead of holding the container up. MaxBuffer is how many bytes
	// may wait then.
	Mode      string `json:",omitempty"`
	MaxBuffer int64  `json:",omitempty"`
	// Select is what each entry says of the container.
	Select Select `json:",omitzero"`
	// Attrs are added to each entry, to messages for journald as fields. Fields
	// are sent with each message to journald, by way of Socket ("" for
	// journalSocket). All are the caller's and not stored.
	Attrs  map[string]string `json:"-"`
	Fields map[string]string `json:"-"`
	Socket string            `json:"-"`
}

// ParseOptions reads the values of --log-driver ("" if it was not given) and of
// each --log-opt. Sizes are decimal, as Docker's are: 10m is 10,000,000.
func ParseOptions(driver string, opts []string) (Options, error) {
	o := Options{Driver: driver, MaxSize: defaultSize, MaxFile: defaultFiles}
	switch driver {
	case "":
		o.Driver = JSONFile
	case JSONFile:
	case Local:
		o.MaxSize, o.MaxFile, o.Compress = defaultLocalSize, defaultLocalFiles, true
	case Journald:
		o.MaxSize, o.MaxFile = 0, 0
	case None:
		if len(opts) > 0 {
			return o, fmt.Errorf("%w %s: the driver none has no options", ErrOption, opts[0])
		}
	default:
		return o, fmt.Errorf("%w: no log driver %q: there are %s, %s, %s and %s", ErrOption, driver, JSONFile, Local, Journald, None)
	}
	for _, opt := range opts {
		if err := o.set(opt); err != nil {
			return o, fmt.Errorf("%w %s: %w", ErrOption, opt, err)
		}
	}
	if o.Compress && (o.MaxFile < 2 || o.MaxSize < 0) {
		return o, fmt.Errorf("%w compress=true: only files that were set aside are compressed: it takes max-file=2 or more and a max-size; or write compress=false", ErrOption)
	}
	if o.Mode == nonBlocking && o.MaxBuffer == 0 {
		o.MaxBuffer = defaultBuffer
	}
	if o.Mode != nonBlocking && o.MaxBuffer != 0 {
		return o, fmt.Errorf("%w max-buffer-size: it is for mode=non-blocking", ErrOption)
	}
	return o, nil
}

func (o *Options) set(opt string) (err error) {
	key, value, ok := strings.Cut(opt, "=")
	if !ok {
		return fmt.Errorf("it must be of the form KEY=VALUE")
	}
	if o.Driver == Journald && (strings.HasPrefix(key, "max-") && key != "max-buffer-size" || key == "compress") {
		return fmt.Errorf("the size of the journal is journald's affair (journald.conf)")
	}
	if known, err := o.Select.set(key, value); known {
		return err
	}
	switch key {
	case "max-size":
		o.MaxSize, err = parseSize(key, value)
	case "compress":
		if o.Compress, err = strconv.ParseBool(value); err != nil {
			return fmt.Errorf("compress is true or false")
		}
	case "mode":
		if value != blocking && value != nonBlocking {
			return fmt.Errorf("mode is %s or %s", blocking, nonBlocking)
		}
		o.Mode = value
	case "max-buffer-size":
		o.MaxBuffer, err = parseSize(key, value)
		if err == nil && o.MaxBuffer < 0 {
			return fmt.Errorf("max-buffer-size has to be a limit")
		}
	case "max-file":
		o.MaxFile, err = strconv.Atoi(value)
		if err != nil || o.MaxFile < 1 {
			return fmt.Errorf("max-file is a number of files, 1 or more")
		}
	default:
		return fmt.Errorf("%s knows max-size, max-file, compress, mode, max-buffer-size, tag, labels, labels-regex, env and env-regex", o.Driver)
	}
	return err
}

// parseSize reads 1000, 1000b, 20k, 10m, 10mb, 1.5g; -1 is no limit.
func parseSize(key, s string) (int64, error) {
	if s == "-1" {
		return -1, nil
	}
	digits := strings.TrimRight(s, "bBkKmMgG")
	unit, known := map[string]float64{
		"": 1, "b": 1, "k": 1e3, "kb": 1e3, "m": 1e6, "mb": 1e6, "g": 1e9, "gb": 1e9,
	}[strings.ToLower(s[len(digits):])]
	n, err := strconv.ParseFloat(digits, 64)
	if n *= unit; err != nil || !known || n < 1 || n >= math.MaxInt64 || strings.ContainsAny(digits, "xXpPnN_") {
		return 0, fmt.Errorf("%s is a number of bytes, with k, m or g after it, or -1 for no limit", key)
	}
	return int64(n), nil
}

// complete returns o with its defaults in place of zeros.
func (o Options) complete() Options {
	if o.Driver == "" {
		o.Driver = JSONFile
	}
	if o.MaxSize == 0 {
		o.MaxSize = defaultSize
	}
	if o.MaxSize < 0 {
		o.MaxSize = math.MaxInt64
	}
	if o.MaxFile == 0 {
		o.MaxFile = defaultFiles
	}
	return o
}
