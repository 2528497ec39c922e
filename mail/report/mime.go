package report

import (
	"bytes"
	"io"
	"mime"
	"strings"

	"github.com/emersion/go-message"
)

// Bounds of what is read of mail that came back.
const (
	// MaxContent is how much of a mail is read; what stands after it is not.
	MaxContent = 1 << 20

	maxDepth   = 8        // multiparts in one another
	maxParts   = 100      // of the whole mail
	maxSection = 64 << 10 // octets of a header section
	maxFields  = 1000     // of one
	maxText    = 64 << 10 // octets of text in which a report is looked for
)

// fields is a header section, or a group of fields that looks like one, as far as
// it can be read. Names are in lower case; values keep their line ends, without the
// blanks after them.
type fields []struct{ name, value string }

// get gives the value of the first field of a name, on one line.
func (f fields) get(name string) string { return strings.Join(strings.Fields(f.raw(name)), " ") }

// raw gives the value of the first field of a name, its line ends kept.
func (f fields) raw(name string) string {
	for i := range f {
		if f[i].name == name {
			return f[i].value
		}
	}
	return ""
}

// all gives the values of all fields of a name, each on one line.
func (f fields) all(name string) []string {
	var values []string
	for i := range f {
		if f[i].name == name {
			values = append(values, strings.Join(strings.Fields(f[i].value), " "))
		}
	}
	return values
}

// has reports whether there is a field of a name.
func (f fields) has(name string) bool {
	for i := range f {
		if f[i].name == name {
			return true
		}
	}
	return false
}

// cutFields reads fields off the front of text, whose lines end in LF, up to an
// empty line. A line that is neither a field nor the rest of one is passed over:
// old hosts and forwarders put such lines there.
func cutFields(text string) (f fields, section, rest string) {
	var folded []string // the lines of the last field
	end := func() {
		if len(folded) > 1 {
			f[len(f)-1].value = strings.Join(folded, "\n")
		}
	}
	defer end()
	for rest = text; rest != ""; {
		line, after, _ := strings.Cut(rest, "\n")
		if section == "" && len(text)-len(after) > maxSection {
			section = text[:len(text)-len(rest)] // what follows is passed over
		}
		if line == "" {
			if section == "" {
				section = text[:len(text)-len(rest)]
			}
			return f, section, after
		}
		rest = after
		if section != "" {
			continue
		}
		if line[0] == ' ' || line[0] == '\t' {
			if len(f) > 0 {
				folded = append(folded, strings.TrimSpace(line))
			}
			continue
		}
		name, value, found := strings.Cut(line, ":")
		name = strings.ToLower(strings.TrimRight(name, " \t"))
		if !found || !fieldName(name) || len(f) == maxFields {
			continue
		}
		end()
		value = strings.TrimSpace(value)
		f = append(f, struct{ name, value string }{name, value})
		folded = append(folded[:0], value)
	}
	if section == "" {
		section = text
	}
	return f, section, ""
}

// fieldName reports whether s can be the name of a field (RFC 5322 section 3.6.8).
func fieldName(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return s != "" && len(s) < 128
}

// leaf is a part that is no multipart, decoded.
type leaf struct {
	kind string // media type in lower case
	text string // lines end in LF
}

// tree is what was found in a mail, in order.
type tree struct {
	leaves []leaf
	nodes  int
}

// add reads one node of a MIME tree. What is broken in it is taken for text.
func (t *tree) add(f fields, body string, depth int) {
	if t.nodes++; t.nodes > maxParts {
		return
	}
	kind, params := "text/plain", map[string]string(nil)
	if value := f.get("content-type"); value != "" {
		var err error
		if kind, params, err = mime.ParseMediaType(value); err != nil && kind == "" {
			kind = looseType(value)
		}
		if params["boundary"] == "" {
			if b := looseBoundary(value); b != "" {
				params = map[string]string{"boundary": b}
			}
		}
	}
	if strings.HasPrefix(kind, "multipart/") && params["boundary"] != "" && depth < maxDepth {
		parts := split(body, params["boundary"])
		for _, part := range parts {
			f, _, rest := cutFields(part)
			t.add(f, rest, depth+1)
		}
		if len(parts) > 0 {
			return
		}
	}
	t.leaves = append(t.leaves, leaf{kind, decode(f.get("content-transfer-encoding"), body)})
}

// looseType reads the media type off a value that is not well formed.
func looseType(value string) string {
	kind, _, _ := strings.Cut(value, ";")
	return strings.ToLower(strings.TrimSpace(kind))
}

// looseBoundary finds the boundary in a value that is not well formed.
func looseBoundary(value string) string {
	i := strings.Index(strings.ToLower(value), "boundary=")
	if i < 0 {
		return ""
	}
	value = value[i+len("boundary="):]
	if strings.HasPrefix(value, `"`) {
		b, _, _ := strings.Cut(value[1:], `"`)
		return b
	}
	b, _, _ := strings.Cut(value, ";")
	return strings.TrimSpace(b)
}

// split gives the parts of a multipart body (RFC 2046 section 5.1). The last
// delimiter may be missing.
func split(body, boundary string) []string {
	var parts []string
	start, delimiter := -1, "--"+boundary
	for at := 0; at < len(body); {
		next := len(body)
		if i := strings.IndexByte(body[at:], '\n'); i >= 0 {
			next = at + i + 1
		}
		rest, found := strings.CutPrefix(strings.TrimRight(body[at:next], " \t\n"), delimiter)
		if found && (rest == "" || rest == "--") {
			if start >= 0 {
				parts = append(parts, strings.TrimSuffix(body[start:at], "\n"))
			}
			start = next
			if rest == "--" || len(parts) > maxParts {
				return parts
			}
		}
		at = next
	}
	if start >= 0 && start < len(body) {
		parts = append(parts, body[start:])
	}
	return parts
}

// decode undoes a transfer encoding. What cannot be decoded stays as it is.
func decode(encoding, body string) string {
	encoding = strings.ToLower(encoding)
	if encoding != "base64" && encoding != "quoted-printable" {
		return body
	}
	var h message.Header
	h.Set("Content-Transfer-Encoding", encoding)
	e, err := message.New(h, strings.NewReader(body))
	if err != nil {
		return body
	}
	text, err := io.ReadAll(e.Body)
	if err != nil && len(text) == 0 {
		return body
	}
	return lines(text)
}

// lines gives text with LF for each line end.
func lines(b []byte) string {
	b = bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n"))
	return string(bytes.ReplaceAll(b, []byte("\r"), []byte("\n")))
}
