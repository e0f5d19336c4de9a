// Package twin carries values from one process to another of the same program.
//
// Both know the types, so only values are written, field after field, without
// names. That asks nothing of the types beforehand: package json looks into each
// field of a type, used or not, before the first value of it is written or read,
// which takes 0.3 ms in both processes where the type has a hundred fields. It is
// for the very same program only, never for a file or for another version of it.
package twin

import (
	"encoding"
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
)

// ErrDamaged is returned for bytes that Marshal has not made of such a value.
var ErrDamaged = errors.New("not a value of this program's")

// Marshal writes a value made of booleans, whole numbers, strings, slices, maps,
// pointers and structs. Fields that are not exported, and those that package json
// is told to leave out, stay behind; a struct that knows how to be text
// (encoding.TextMarshaler) is written as that.
func Marshal(v any) ([]byte, error) { return write(nil, reflect.ValueOf(v)) }

// Unmarshal reads what Marshal has written of the value that v points to.
func Unmarshal(data []byte, v any) error {
	r := &reader{data}
	if err := r.read(reflect.ValueOf(v).Elem()); err != nil {
		return err
	}
	if len(r.rest) > 0 {
		return ErrDamaged
	}
	return nil
}

func write(to []byte, v reflect.Value) (_ []byte, err error) {
	switch v.Kind() {
	case reflect.Bool:
		if v.Bool() {
			return append(to, 1), nil
		}
		return append(to, 0), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return binary.AppendVarint(to, v.Int()), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return binary.AppendUvarint(to, v.Uint()), nil
	case reflect.String:
		return append(binary.AppendUvarint(to, uint64(v.Len())), v.String()...), nil
	case reflect.Pointer:
		if v.IsNil() {
			return append(to, 0), nil
		}
		return write(append(to, 1), v.Elem())
	case reflect.Slice:
		to = appendLen(to, v)
		for i := 0; i < v.Len() && err == nil; i++ {
			to, err = write(to, v.Index(i))
		}
		return to, err
	case reflect.Map:
		to = appendLen(to, v)
		for entries := v.MapRange(); entries.Next() && err == nil; {
			if to, err = write(to, entries.Key()); err == nil {
				to, err = write(to, entries.Value())
			}
		}
		return to, err
	case reflect.Struct:
		return writeStruct(to, v)
	}
	return nil, fmt.Errorf("a %s cannot be carried to another process", v.Type())
}

// appendLen writes the length of a slice or a map, 0 for nil and one more for any
// other.
func appendLen(to []byte, v reflect.Value) []byte {
	if v.IsNil() {
		return append(to, 0)
	}
	return binary.AppendUvarint(to, uint64(v.Len())+1)
}

func travels(f reflect.StructField) bool { return f.IsExported() && f.Tag.Get("json") != "-" }

func writeStruct(to []byte, v reflect.Value) ([]byte, error) {
	if text, ok := v.Interface().(encoding.TextMarshaler); ok {
		words, err := text.MarshalText()
		return append(binary.AppendUvarint(to, uint64(len(words))), words...), err
	}
	var err error
	for i := 0; i < v.NumField() && err == nil; i++ {
		if travels(v.Type().Field(i)) {
			to, err = write(to, v.Field(i))
		}
	}
	return to, err
}
