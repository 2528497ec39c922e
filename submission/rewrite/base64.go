package rewrite

import (
	"bytes"
	"encoding/base64"
)

// base64Line is the most octets of a line (RFC 2045 section 6.8).
const base64Line = 76

// base64Text edits text in base64: up to the first placeholder it copies, from there
// on it encodes anew.
type base64Text struct {
	p      *parts
	m      matcher
	values [256]byte // 64 is no letter of base64
	bits   uint32
	n      int    // letters in bits
	raw    []byte // of the letters in bits, with what lies between
	part   []byte // octets that stay, of letters that were not written yet
	column int    // of what was written
	anew   bool
	out    []byte // octets to encode
	over   bool   // padding ended the text
	skip   bool   // what is left of the padding is left out
}

func newBase64(p *parts) *base64Text {
	b := &base64Text{p: p}
	b.m = matcher{filler: p.filler, sink: b}
	for i := range b.values {
		b.values[i] = 64
	}
	for i, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/") {
		b.values[c] = byte(i)
	}
	return b
}

func (b *base64Text) feed(p []byte, _ bool) {
	for i, c := range p {
		if b.over {
			b.after(p[i:])
			return
		}
		b.raw = append(b.raw, c)
		if c == '=' {
			b.last()
			b.over, b.skip = true, b.anew
			continue
		}
		v := b.values[c]
		if v == 64 { // it is nothing (RFC 2045 section 6.8)
			b.nothing()
			continue
		}
		b.bits, b.n = b.bits<<6|uint32(v), b.n+1
		if b.n == 4 {
			b.m.put(byte(b.bits>>16), nil)
			b.m.put(byte(b.bits>>8), nil)
			b.m.put(byte(b.bits), b.raw)
			b.n, b.raw = 0, b.raw[:0]
		}
	}
}

// maxNothing bounds what lies between the letters of four, in octets.
const maxNothing = 4096

// nothing lets what is no letter go, so that it takes no memory.
func (b *base64Text) nothing() {
	switch {
	case b.anew:
		b.raw = b.raw[:0]
	case b.n == 0 && len(b.m.text) == 0:
		b.write(b.raw)
		b.raw = b.raw[:0]
	case len(b.raw) > maxNothing: // this is no text
		b.m.flush()
		b.write(b.raw)
		b.raw, b.over = b.raw[:0], true
	}
}

// after copies what follows the padding.
func (b *base64Text) after(p []byte) {
	if b.skip { // the line of ours is ended
		p = bytes.TrimLeft(p, "= \t\r\n")
		b.skip = len(p) == 0
	}
	b.p.write(p)
}

// last takes the letters that are no whole four, and ends the text.
func (b *base64Text) last() {
	switch b.n {
	case 2:
		b.m.put(byte(b.bits>>4), b.raw)
	case 3:
		b.m.put(byte(b.bits>>10), nil)
		b.m.put(byte(b.bits>>2), b.raw)
	default:
		b.m.flush()
		if !b.anew {
			b.write(b.raw)
		}
	}
	b.n, b.raw = 0, b.raw[:0]
	b.m.flush()
	if b.anew {
		b.encode(true)
		b.write([]byte("\r\n"))
	}
}

func (b *base64Text) end() {
	if !b.over {
		b.last()
	}
}

func (b *base64Text) keep(c byte, raw []byte) {
	switch {
	case b.anew:
		b.out = append(b.out, c)
		b.encode(false)
	case len(raw) > 0:
		b.write(raw)
		b.part = b.part[:0]
	default:
		b.part = append(b.part, c)
	}
}

func (b *base64Text) fill() {
	b.anew = true
	b.out = append(append(b.out, b.part...), b.p.filler.address...)
	b.part = nil
	b.encode(false)
}

// encode writes what is whole, or all.
func (b *base64Text) encode(all bool) {
	var four [4]byte
	at := 0
	for len(b.out)-at >= 3 || all && len(b.out) > at {
		n := min(3, len(b.out)-at)
		base64.StdEncoding.Encode(four[:], b.out[at:at+n])
		at += n
		if b.column+len(four) > base64Line {
			b.write([]byte("\r\n"))
		}
		b.write(four[:])
	}
	b.out = append(b.out[:0], b.out[at:]...)
}

func (b *base64Text) write(p []byte) {
	b.p.write(p)
	if at := bytes.LastIndexByte(p, '\n'); at >= 0 {
		b.column = len(p) - at - 1
	} else {
		b.column += len(p)
	}
}
