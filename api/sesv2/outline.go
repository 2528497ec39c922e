package sesv2

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"

	"github.com/sesame-mta/sesame/api"
)

// Bounds of what is left of a body without its binary data.
const (
	maxOutline = 16 << 20 // octets
	maxDepth   = 64       // objects and lists in each other
	maxName    = 128      // octets of a name that is looked at
)

// outline gives the JSON of a body with places in the stead of the strings that
// hold binary data: RawContent, and Data in Raw. Those may be large, and are read
// from the body when their time comes. What else is wrong with the JSON is for the
// reader of the outline to say.
func outline(ctx context.Context, c *api.Call) (text []byte, done func(), err error) {
	size := c.Body.Size()
	left, done := size, func() {}
	if size > small {
		// A first look tells how much is left, and so how much memory it takes: the
		// texts stand there some times more, decoded, composed, encoded.
		look := newOutliner(c.Body, nil)
		if err := look.run(); err != nil {
			return nil, nil, err
		}
		left = look.left
		if done, err = c.Load(ctx, 4*left); err != nil {
			return nil, nil, err
		}
	}
	o := newOutliner(c.Body, bytes.NewBuffer(make([]byte, 0, left)))
	if err := o.run(); err != nil {
		done()
		return nil, nil, err
	}
	return o.out.Bytes(), done, nil
}

// small is the size in octets of a body that is not worth two looks.
const small = 32 << 10

func newOutliner(body api.Body, out *bytes.Buffer) *outliner {
	size := body.Size()
	return &outliner{in: bufio.NewReaderSize(io.NewSectionReader(body, 0, size), int(min(size+1, small))), out: out}
}

// outliner copies JSON octet by octet. It knows just enough of it to tell names
// from values and where a string ends.
type outliner struct {
	in    *bufio.Reader
	out   *bytes.Buffer // nil only counts
	at    int64         // octets read
	left  int64         // octets written
	stack []frame
	name  string // of the value that comes next
	value bool   // a value comes next, not a name
}

// frame is an object or a list that is open, and the name that it stands under.
type frame struct {
	object bool
	name   string
}

var errEnds = api.Unreadable("The request is not valid JSON.")

func (o *outliner) run() error {
	o.value = true
	for {
		c, err := o.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		switch c {
		case '{', '[':
			if len(o.stack) == maxDepth {
				return api.Unreadable("The request has too many objects in each other.")
			}
			o.stack = append(o.stack, frame{c == '{', o.name})
			o.name, o.value = "", c == '['
		case '}', ']':
			if len(o.stack) > 0 {
				o.stack = o.stack[:len(o.stack)-1]
			}
			o.name = ""
		case ',':
			o.name = ""
			o.value = len(o.stack) == 0 || !o.stack[len(o.stack)-1].object
		case ':':
			o.value = true
		case '"':
			if err := o.text(); err != nil {
				return err
			}
			continue
		}
		if err := o.put(c); err != nil {
			return err
		}
	}
}

func (o *outliner) next() (byte, error) {
	c, err := o.in.ReadByte()
	if err == nil {
		o.at++
	}
	return c, err
}

func (o *outliner) put(c byte) error {
	if o.left++; o.left > maxOutline {
		return api.TooLarge("Request entity is too large.")
	}
	if o.out != nil {
		o.out.WriteByte(c)
	}
	return nil
}

// text copies a string, or skips it and puts its place there. Its first quote was
// read.
func (o *outliner) text() error {
	if o.value && o.binary() {
		start := o.at
		if err := o.skip(); err != nil {
			return err
		}
		for _, c := range []byte(`"` + api.Place(start, o.at-1-start) + `"`) {
			if err := o.put(c); err != nil {
				return err
			}
		}
		return nil
	}
	if err := o.put('"'); err != nil {
		return err
	}
	var name []byte
	err := o.string(func(c byte) error {
		if !o.value && len(name) < maxName {
			name = append(name, c)
		}
		return o.put(c)
	})
	if err != nil {
		return err
	}
	if !o.value {
		o.name = plain(name)
	}
	return o.put('"')
}

// string reads to the end of a string.
func (o *outliner) string(each func(byte) error) error {
	for {
		c, err := o.next()
		if err != nil {
			return errEnds
		}
		if c == '"' {
			return nil
		}
		if err := each(c); err != nil {
			return err
		}
		if c == '\\' {
			if c, err = o.next(); err != nil {
				return errEnds
			}
			if err := each(c); err != nil {
				return err
			}
		}
	}
}

// skip passes over the rest of a string and its last quote.
func (o *outliner) skip() error {
	for {
		if _, err := o.in.Peek(1); err != nil {
			return errEnds
		}
		text, _ := o.in.Peek(o.in.Buffered())
		quote := bytes.IndexByte(text, '"')
		if quote >= 0 {
			text = text[:quote]
		}
		n := len(text)
		escape := bytes.IndexByte(text, '\\')
		if escape >= 0 {
			n = escape
		}
		if _, err := o.in.Discard(n); err != nil {
			return errEnds
		}
		o.at += int64(n)
		switch {
		case escape >= 0: // with what it escapes
			for range 2 {
				if _, err := o.next(); err != nil {
					return errEnds
				}
			}
		case quote >= 0:
			_, err := o.next()
			return err
		}
	}
}

// binary reports whether the value under the name is binary data.
func (o *outliner) binary() bool {
	if len(o.stack) == 0 || !o.stack[len(o.stack)-1].object {
		return false
	}
	parent := o.stack[len(o.stack)-1].name
	// Letter case is as it is to encoding/json.
	return strings.EqualFold(o.name, "RawContent") || strings.EqualFold(o.name, "Data") && strings.EqualFold(parent, "Raw")
}

// plain undoes the escapes of a name.
func plain(name []byte) string {
	if bytes.IndexByte(name, '\\') < 0 {
		return string(name)
	}
	var s string
	if json.Unmarshal([]byte(`"`+string(name)+`"`), &s) != nil {
		return string(name)
	}
	return s
}
