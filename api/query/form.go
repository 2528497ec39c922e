package query

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/sesame-mta/sesame/api"
)

// Bounds of a form.
const (
	maxFields = 5000
	maxKey    = 512      // octets of a name, as it came
	maxInline = 12 << 20 // octets of all values that are not left in the body
	maxDepth  = 10
)

// blobField is the only parameter whose value may be large.
const blobField = "RawMessage.Data"

// form is the parameters of a call as a tree: "a.b.c=1" is a in b in c.
type form struct {
	value string
	set   bool
	sub   map[string]*form
}

func (f *form) text(name string) string {
	if sub := f.sub[name]; sub != nil {
		return sub.value
	}
	return ""
}

// put sets a parameter. The first one of a name counts.
func (f *form) put(key, value string) error {
	at := f
	depth := 0
	for name := range strings.SplitSeq(key, ".") {
		if depth++; depth > maxDepth {
			return errForm
		}
		next := at.sub[name]
		if next == nil {
			next = &form{}
			if at.sub == nil {
				at.sub = make(map[string]*form)
			}
			at.sub[name] = next
		}
		at = next
	}
	if !at.set {
		at.value, at.set = value, true
	}
	return nil
}

var errForm = &api.Error{Query: api.Shape{Status: http.StatusNotFound, Code: "MalformedQueryString"},
	Message: "The query string contains a syntax error."}

// read reads the parameters of a call: of POST those of the body, else those of
// the query. The memory that they take is given back with done.
func read(ctx context.Context, c *api.Call) (f *form, done func(), err error) {
	f = &form{}
	if c.Request.Method == http.MethodGet {
		c.Body = strings.NewReader(c.Request.URL.RawQuery)
	}
	left, done := c.Body.Size(), func() {}
	if left > small {
		// A first look tells how much is left, and so how much memory it takes: the
		// texts stand there some times more, decoded, composed, encoded.
		if left, err = inline(reader(c.Body)); err != nil {
			return nil, nil, err
		}
		if done, err = c.Load(ctx, 4*left); err != nil {
			return nil, nil, err
		}
	}
	if err := f.read(reader(c.Body)); err != nil {
		done()
		return nil, nil, err
	}
	return f, done, nil
}

// small is the size in octets of a body that is not worth two looks.
const small = 32 << 10

func reader(body api.Body) *bufio.Reader {
	return bufio.NewReaderSize(io.NewSectionReader(body, 0, body.Size()), int(min(body.Size()+1, small)))
}

// inline gives the octets of a form without the value of blobField.
func inline(in *bufio.Reader) (left int64, err error) {
	for {
		key, end, err := until(in, maxKey, "=&")
		if err != nil {
			return 0, err
		}
		left += int64(len(key)) + 1
		if end == '=' {
			length, more, err := skip(in)
			if err != nil {
				return 0, err
			}
			if name, err := url.QueryUnescape(key); err != nil || name != blobField {
				left += length
			}
			if !more {
				end = 0
			}
		}
		if end == 0 {
			return left, nil
		}
	}
}

// read reads a form. The value of blobField stays in the body;
// its place stands for it.
func (f *form) read(in *bufio.Reader) error {
	at, inline := int64(0), 0
	for n := 0; ; n++ {
		key, end, err := until(in, maxKey, "=&")
		if err != nil {
			return err
		}
		at += int64(len(key))
		if end != 0 {
			at++
		}
		name, err := url.QueryUnescape(key)
		if err != nil || n == maxFields {
			return errForm
		}
		value := ""
		if end == '=' {
			start := at
			if name == blobField {
				length, more, err := skip(in)
				if err != nil {
					return err
				}
				at, end = at+length, 0
				if more {
					at, end = at+1, '&'
				}
				value = api.Place(start, length)
			} else {
				raw, last, err := until(in, maxInline-inline, "&")
				if err != nil {
					return err
				}
				at, end = at+int64(len(raw)), last
				if last != 0 {
					at++
				}
				inline += len(raw)
				if value, err = url.QueryUnescape(raw); err != nil {
					return errForm
				}
			}
		}
		if name != "" {
			if err := f.put(name, value); err != nil {
				return err
			}
		}
		if end == 0 {
			return nil
		}
	}
}

// until reads up to one of the ends, which it gives; 0 is the end of all.
func until(in *bufio.Reader, most int, ends string) (text string, end byte, err error) {
	var b strings.Builder
	for {
		c, err := in.ReadByte()
		switch {
		case errors.Is(err, io.EOF):
			return b.String(), 0, nil
		case err != nil:
			return "", 0, err
		case strings.IndexByte(ends, c) >= 0:
			return b.String(), c, nil
		case b.Len() == most:
			return "", 0, errForm
		}
		b.WriteByte(c)
	}
}

// skip passes over a value.
func skip(in *bufio.Reader) (length int64, more bool, err error) {
	for {
		piece, err := in.ReadSlice('&')
		length += int64(len(piece))
		switch {
		case err == nil:
			return length - 1, true, nil
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF):
			return length, false, nil
		default:
			return 0, false, err
		}
	}
}
