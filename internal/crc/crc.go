// Package crc computes the checksum that tar-split keeps of each file, CRC-64 with
// the polynomial of ISO 3309, three times as fast as hash/crc64: layers are read
// and written through it.
//
// That polynomial has few terms, x⁶⁴+x⁴+x³+x+1, and so has x²⁵⁶ divided by it: the
// rest is x¹⁶+x¹²+x⁴+1. So a word moves four words up by a few shifts, without
// a table, and four words are on their way at once.
package crc

import (
	"encoding/binary"
	"hash/crc64"
)

var table = crc64.MakeTable(crc64.ISO)

// Update adds data to a checksum; that of nothing is 0.
func Update(sum uint64, data []byte) uint64 {
	if len(data) < 64 {
		return crc64.Update(sum, table, data)
	}
	a, b, c, d := words(data)
	a ^= ^sum
	for data = data[32:]; len(data) >= 32; data = data[32:] {
		e, f, g, h := words(data)
		a, b, c, d = up4(a)^e, up4(b)^f, up4(c)^g, up4(d)^h
	}
	return crc64.Update(^up(up(up(up(a)^b)^c)^d), table, data)
}

func words(b []byte) (uint64, uint64, uint64, uint64) {
	_ = b[31]
	return binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:]), binary.LittleEndian.Uint64(b[16:]), binary.LittleEndian.Uint64(b[24:])
}

// up multiplies by x⁶⁴. The highest power is the lowest bit; what falls out there
// is divided as well.
func up(s uint64) uint64 { return s ^ s>>1 ^ s>>3 ^ s>>4 ^ rest(s<<63^s<<61^s<<60) }

// up4 multiplies by x²⁵⁶.
func up4(s uint64) uint64 { return s ^ s>>4 ^ s>>12 ^ s>>16 ^ rest(s<<60^s<<52^s<<48) }

func rest(o uint64) uint64 { return o ^ o>>1 ^ o>>3 ^ o>>4 }
