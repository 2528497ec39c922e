package api

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
)

// Blob is binary data of a request. It may be large, so it stays in the body: a
// Blob says only where in it the base64 text stands.
type Blob struct {
	off, len int64
	escape   Escape
	body     Body
}

// Escape is how a text is written in a body.
type Escape int

// The ways to write a text.
const (
	EscapeJSON Escape = iota + 1 // in a JSON string
	EscapeForm                   // in a form, by percent signs
)

// IsZero reports whether there is no data at all.
func (b Blob) IsZero() bool { return b.len == 0 }

// Encoded gives the octets that the text of the data takes in the body; the data
// itself has at most three quarters of them.
func (b Blob) Encoded() int64 { return b.len }

// Open reads the data. What is no base64 is an *Error when it is come upon.
func (b Blob) Open() io.Reader {
	text := bufio.NewReaderSize(io.NewSectionReader(b.body, b.off, b.len), int(min(b.len+1, 16<<10)))
	var plain io.Reader = &jsonText{in: text}
	if b.escape == EscapeForm {
		plain = &formText{in: text}
	}
	return &checked{base64.NewDecoder(base64.StdEncoding, plain)}
}

// checked gives errors of the encoding the words of the API.
type checked struct{ in io.Reader }

func (c *checked) Read(p []byte) (int, error) {
	n, err := c.in.Read(p)
	var bad base64.CorruptInputError
	if errors.As(err, &bad) || errors.Is(err, errEscape) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = Unreadable("Base64 encoded data cannot be read.").WithCause(err)
	}
	return n, err
}

var errEscape = errors.New("malformed escape")

// jsonText undoes the escapes of a JSON string (RFC 8259 section 7). Base64 needs
// none, but PHP escapes slashes, and others plus and equals signs.
type jsonText struct{ in *bufio.Reader }

func (t *jsonText) Read(p []byte) (int, error) {
	return unescape(t.in, p, '\\', t.escaped)
}

// unescape reads what is there up to an escape, or one escape.
func unescape(in *bufio.Reader, p []byte, escape byte, escaped func() (byte, error)) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if _, err := in.Peek(1); err != nil {
		return 0, err
	}
	text, _ := in.Peek(min(in.Buffered(), len(p)))
	if i := bytes.IndexByte(text, escape); i >= 0 {
		text = text[:i]
	}
	if len(text) > 0 {
		n := copy(p, text)
		_, err := in.Discard(n)
		return n, err
	}
	if _, err := in.Discard(1); err != nil {
		return 0, err
	}
	c, err := escaped()
	p[0] = c
	return 1, err
}

func (t *jsonText) escaped() (byte, error) {
	c, err := t.in.ReadByte()
	if err != nil {
		return 0, errEscape
	}
	switch c {
	case '/', '\\', '"':
		return c, nil
	case 'n', 'r', 't':
		return '\n', nil // white space, which base64 passes over
	case 'u':
		var hex [4]byte
		if _, err := io.ReadFull(t.in, hex[:]); err != nil {
			return 0, errEscape
		}
		v, err := strconv.ParseUint(string(hex[:]), 16, 16)
		if err != nil || v > 0x7f {
			return 0, errEscape
		}
		return byte(v), nil
	}
	return 0, errEscape
}

// formText undoes the escapes of a form field. A plus sign that was not escaped
// should be a blank; in base64 it can only be meant as itself.
type formText struct{ in *bufio.Reader }

func (t *formText) Read(p []byte) (int, error) {
	return unescape(t.in, p, '%', t.escaped)
}

func (t *formText) escaped() (byte, error) {
	var hex [2]byte
	if _, err := io.ReadFull(t.in, hex[:]); err != nil {
		return 0, errEscape
	}
	v, err := strconv.ParseUint(string(hex[:]), 16, 8)
	if err != nil {
		return 0, errEscape
	}
	return byte(v), nil
}

// Place is the text that stands for a blob in what is left of a body when its
// blobs are taken out. Who writes one into a request can only point into the
// request.
func Place(off, length int64) string { return fmt.Sprintf("%d+%d", off, length) }

// UnmarshalText reads a place.
func (b *Blob) UnmarshalText(text []byte) error {
	off, length, _ := strings.Cut(string(text), "+")
	var err error
	if b.off, err = strconv.ParseInt(off, 10, 64); err == nil {
		b.len, err = strconv.ParseInt(length, 10, 64)
	}
	if err != nil || b.off < 0 || b.len < 0 || b.off+b.len < b.off {
		*b = Blob{}
		return errPlace
	}
	return nil
}

var errPlace = errors.New("not binary data")

// Bind gives the blobs of a request that was read the body that they lie in.
func Bind(request any, body Body, e Escape) error {
	return bind(reflect.ValueOf(request), body, e)
}

func bind(v reflect.Value, body Body, e Escape) error {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		if b, ok := v.Interface().(*Blob); ok {
			if b.off+b.len > body.Size() {
				return errPlace
			}
			b.body, b.escape = body, e
			return nil
		}
		return bind(v.Elem(), body, e)
	case reflect.Slice:
		if k := v.Type().Elem().Kind(); k != reflect.Struct && k != reflect.Pointer {
			return nil
		}
		for i := range v.Len() {
			if err := bind(v.Index(i).Addr(), body, e); err != nil {
				return err
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Field(i)
			if !v.Type().Field(i).IsExported() {
				continue
			}
			switch f.Kind() {
			case reflect.Struct:
				f = f.Addr()
			case reflect.Pointer, reflect.Slice:
			default:
				continue
			}
			if err := bind(f, body, e); err != nil {
				return err
			}
		}
	default: // holds no blob
	}
	return nil
}
