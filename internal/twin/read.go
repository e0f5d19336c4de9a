package twin

import (
	"encoding"
	"encoding/binary"
	"reflect"
)

// reader takes values off the front of rest.
type reader struct{ rest []byte }

func (r *reader) read(v reflect.Value) error {
	switch v.Kind() {
	case reflect.Bool:
		n, err := r.number(1)
		v.SetBool(n == 1)
		return err
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		n, size := binary.Varint(r.rest)
		if size <= 0 || v.OverflowInt(n) {
			return ErrDamaged
		}
		v.SetInt(n)
		r.rest = r.rest[size:]
		return nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		n, size := binary.Uvarint(r.rest)
		if size <= 0 || v.OverflowUint(n) {
			return ErrDamaged
		}
		v.SetUint(n)
		r.rest = r.rest[size:]
		return nil
	case reflect.String:
		text, err := r.text()
		v.SetString(string(text))
		return err
	case reflect.Pointer:
		n, err := r.number(1)
		if n == 0 {
			return err
		}
		v.Set(reflect.New(v.Type().Elem()))
		return r.read(v.Elem())
	case reflect.Slice:
		return r.slice(v)
	case reflect.Map:
		return r.mapping(v)
	case reflect.Struct:
		return r.structure(v)
	}
	return ErrDamaged
}

// number reads one that is at most limit.
func (r *reader) number(limit uint64) (int, error) {
	n, size := binary.Uvarint(r.rest)
	if size <= 0 || n > limit {
		return 0, ErrDamaged
	}
	r.rest = r.rest[size:]
	return int(n), nil
}

func (r *reader) text() ([]byte, error) {
	n, err := r.number(uint64(len(r.rest)))
	if err != nil || n > len(r.rest) {
		return nil, ErrDamaged
	}
	text := r.rest[:n]
	r.rest = r.rest[n:]
	return text, nil
}

// length reads what appendLen wrote, less one: -1 is nil. Each element takes a
// byte at least, which bounds what damaged bytes can make us allocate.
func (r *reader) length() (int, error) {
	n, err := r.number(uint64(len(r.rest)))
	return n - 1, err
}

func (r *reader) slice(v reflect.Value) error {
	n, err := r.length()
	if err != nil || n < 0 {
		return err
	}
	v.Set(reflect.MakeSlice(v.Type(), n, n))
	for i := 0; i < n && err == nil; i++ {
		err = r.read(v.Index(i))
	}
	return err
}

func (r *reader) mapping(v reflect.Value) error {
	n, err := r.length()
	if err != nil || n < 0 {
		return err
	}
	v.Set(reflect.MakeMapWithSize(v.Type(), n))
	for i := 0; i < n && err == nil; i++ {
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		if err = r.read(key); err == nil {
			err = r.read(value)
		}
		v.SetMapIndex(key, value)
	}
	return err
}

func (r *reader) structure(v reflect.Value) error {
	if text, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		words, err := r.text()
		if err != nil {
			return err
		}
		return text.UnmarshalText(words)
	}
	for i := range v.NumField() {
		if !travels(v.Type().Field(i)) {
			continue
		}
		if err := r.read(v.Field(i)); err != nil {
			return err
		}
	}
	return nil
}
