package message

import (
	"errors"
	"fmt"
	"strings"
)

// What can be wrong with a header section. The texts are sentences, so that a
// refusal can quote them as they are; Scan adds the number of the line.
var (
	ErrNoHeader     = errors.New("Message has no header")
	ErrHeaderSize   = errors.New("Header is too long")
	ErrFieldCount   = errors.New("Header has too many fields")
	ErrEightBit     = errors.New("Header contains 8-bit characters")
	ErrControl      = errors.New("Header contains a control character")
	ErrBareCR       = errors.New("Header contains a bare CR")
	ErrBareLF       = errors.New("Header contains a bare LF")
	ErrContinuation = errors.New("Header begins with a continuation line")
	ErrBlankLine    = errors.New("Header contains a line of white space only")
	ErrNoColon      = errors.New("Header line has no colon")
	ErrNoName       = errors.New("Header field has no name")
	ErrBadName      = errors.New("Header field name contains illegal character")
	ErrNameLength   = errors.New("Header field name is too long")
	ErrUnended      = errors.New("Header does not end in CRLF")
	ErrAfterHeader  = errors.New("Header section goes on after its empty line")
)

// Limits bounds a header section before it is parsed. A zero field is the
// default of Scan.
type Limits struct {
	Octets int // of the whole section, 256 KB when 0
	Fields int // 1,000 when 0
	Name   int // octets of a field name, 126 when 0
	// EightBit tells which fields may hold octets above 127, for such as do not
	// leave the house; nil is none.
	EightBit func(name string) bool
}

func (l Limits) orDefault() Limits {
	if l.Octets == 0 {
		l.Octets = 256 << 10
	}
	if l.Fields == 0 {
		l.Fields = 1000
	}
	if l.Name == 0 {
		l.Name = 126
	}
	return l
}

// HeaderField is one header field of a section.
type HeaderField struct {
	// Span is the whole field: name, value, continuation lines, last CRLF.
	Span
	// Name is the field name as it was written.
	Name string
	// Raw is all between the colon and the last CRLF, folding included.
	Raw string
}

// Value gives the field body unfolded, white space at both ends removed.
func (f HeaderField) Value() string { return strings.Trim(Unfold(f.Raw), " \t") }

// Is reports whether the field has that name; letter case does not matter
// (RFC 5322 section 1.2.2).
func (f HeaderField) Is(name string) bool { return strings.EqualFold(f.Name, name) }

// Section is a header section that was read. It holds no reference to the
// octets that it was read from.
type Section struct {
	Fields []HeaderField // in order
	// Ended tells whether the empty line was there. A message without a body may
	// lack it (RFC 5322 section 2.1).
	Ended bool
}

// Scan reads a header section within the default Limits: all octets of a
// message up to and with its empty line. What two parsers could read
// differently is an error: octets outside 7-bit ASCII, control characters, line
// ends that are not CRLF, a line that is no field, a name with a blank before
// its colon, and a continuation of white space only, which lax readers take for
// the end.
func Scan(header []byte) (*Section, error) { return Limits{}.Scan(header) }

// Scan reads a header section as the function Scan does, within these limits.
func (l Limits) Scan(header []byte) (*Section, error) {
	l = l.orDefault()
	if len(header) > l.Octets {
		return nil, ErrHeaderSize
	}
	s := string(header)
	sec := &Section{Fields: make([]HeaderField, 0, min(strings.Count(s, "\n"), l.Fields))}
	open := -1 // offset of the field being read
	line := 0
	lax := false // the field being read may hold octets above 127
	for at := 0; at < len(s); {
		line++
		if sec.Ended {
			return nil, ErrAfterHeader
		}
		if l.EightBit != nil && s[at] != ' ' && s[at] != '\t' {
			name, _, found := strings.Cut(s[at:min(at+l.Name+1, len(s))], ":")
			lax = found && l.EightBit(name)
		}
		size, err := scanLine(s[at:], lax)
		if err != nil {
			return nil, fmt.Errorf("%w (line %d)", err, line)
		}
		text := s[at : at+size-2]
		switch {
		case text == "":
			sec.Ended = true
		case text[0] == ' ' || text[0] == '\t':
			switch {
			case open < 0:
				return nil, ErrContinuation
			case strings.Trim(text, " \t") == "":
				return nil, fmt.Errorf("%w (line %d)", ErrBlankLine, line)
			}
			f := &sec.Fields[len(sec.Fields)-1]
			f.Len += uint32(size)
			f.Raw = s[open+len(f.Name)+1 : at+size-2]
		default:
			name, raw, err := l.cutName(text)
			if err != nil {
				return nil, fmt.Errorf("%w (line %d)", err, line)
			}
			if len(sec.Fields) == l.Fields {
				return nil, ErrFieldCount
			}
			open = at
			sec.Fields = append(sec.Fields, HeaderField{
				Span: Span{Off: uint32(at), Len: uint32(size)}, Name: name, Raw: raw,
			})
		}
		at += size
	}
	if len(sec.Fields) == 0 {
		return nil, ErrNoHeader
	}
	return sec, nil
}

// scanLine gives the length of the first line of s with its CRLF, or says
// which of its octets has no place in a header section.
func scanLine(s string, lax bool) (int, error) {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c >= ' ' && c <= '~' || c == '\t':
		case c == '\r':
			if i+1 < len(s) && s[i+1] == '\n' {
				return i + 2, nil
			}
			return 0, ErrBareCR
		case c == '\n':
			return 0, ErrBareLF
		case c > '~'+1:
			if !lax {
				return 0, ErrEightBit
			}
		default:
			// NUL ends a text for some; VT, FF and FS to US end a line for others.
			return 0, ErrControl
		}
	}
	return 0, ErrUnended
}

func (l Limits) cutName(text string) (name, raw string, err error) {
	name, raw, found := strings.Cut(text, ":")
	switch {
	case !found:
		return "", "", ErrNoColon
	case name == "":
		return "", "", ErrNoName
	case len(name) > l.Name:
		return "", "", ErrNameLength
	case !ValidName(name):
		// Among them the blank before the colon, obsolete since RFC 2822.
		return "", "", ErrBadName
	}
	return name, raw, nil
}

// ValidName reports whether name may be the name of a header field: printable
// ASCII without the colon (RFC 5322 section 3.6.8).
func ValidName(name string) bool {
	for i := 0; i < len(name); i++ {
		if c := name[i]; c <= ' ' || c > '~' || c == ':' {
			return false
		}
	}
	return name != ""
}

// Get gives the first field with that name.
func (s *Section) Get(name string) (HeaderField, bool) {
	for _, f := range s.Fields {
		if f.Is(name) {
			return f, true
		}
	}
	return HeaderField{}, false
}

// All gives the fields with that name, in order.
func (s *Section) All(name string) []HeaderField {
	var all []HeaderField
	for _, f := range s.Fields {
		if f.Is(name) {
			all = append(all, f)
		}
	}
	return all
}

// Count gives how many fields have that name.
func (s *Section) Count(name string) int {
	n := 0
	for _, f := range s.Fields {
		if f.Is(name) {
			n++
		}
	}
	return n
}

// Spans gives where the fields with any of these names lie, in the order that
// Edit.Drop wants.
func (s *Section) Spans(names ...string) []Span {
	var spans []Span
	for _, f := range s.Fields {
		for _, name := range names {
			if f.Is(name) {
				spans = append(spans, f.Span)
				break
			}
		}
	}
	return spans
}

// Unfold takes the line ends out of a folded field body and leaves the white
// space after them (RFC 5322 section 2.2.3).
func Unfold(raw string) string { return strings.ReplaceAll(raw, "\r\n", "") }
