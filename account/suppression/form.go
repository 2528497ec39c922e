package suppression

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// Form is how a list is written in a file.
type Form string

// The forms: CSV with the columns of Columns, of which all but the first may be
// missing, and JSON lines as SES has them in import jobs (spec section 7.4).
const (
	CSV   Form = "csv"
	JSONL Form = "jsonl"
)

// ErrForm says that a form is none.
var ErrForm = errors.New(`a form is "csv" or "jsonl"`)

// columns is the head of a CSV file, and the keys of a JSON line.
var columns = []string{"emailAddress", "reason", "lastUpdateTime", "messageId", "feedbackId", "contactList"}

// maxLine bounds a line of a file, in octets.
const maxLine = 4096

// errLine is what is wrong with a line; the rest of the file can still be read.
type errLine struct{ error }

// Unwrap gives what was wrong.
func (e errLine) Unwrap() error { return e.error }

// line is one entry as it stands in a file.
type line struct {
	Address    string `json:"emailAddress"`
	Reason     string `json:"reason"`
	Updated    string `json:"lastUpdateTime,omitempty"`
	MessageID  string `json:"messageId,omitempty"`
	FeedbackID string `json:"feedbackId,omitempty"`
	List       string `json:"contactList,omitempty"`
}

// entry gives what the line says, but for the owner. Without a reason it is a
// bounce, so that a bare list of addresses is a file too.
func (l line) entry() (e Entry, err error) {
	if e.Address, err = ParseAddress(l.Address); err != nil {
		return Entry{}, err
	}
	e.Reason = Bounce
	if l.Reason != "" {
		if e.Reason, err = ParseReason(l.Reason); err != nil {
			return Entry{}, err
		}
	}
	if l.Updated != "" {
		if e.Updated, err = time.Parse(time.RFC3339Nano, l.Updated); err != nil {
			return Entry{}, errors.New("lastUpdateTime is no time such as 2006-01-02T15:04:05Z")
		}
	}
	e.MessageID, e.FeedbackID, e.List = l.MessageID, l.FeedbackID, l.List
	return e, e.check()
}

// scanner reads a file line by line. A line that is longer than maxLine is one
// that is wrong, and is passed over.
type scanner struct {
	r    *bufio.Reader
	form Form
	n    int // of the line read last
}

func newScanner(r io.Reader, f Form) *scanner {
	return &scanner{r: bufio.NewReaderSize(r, maxLine), form: f}
}

// next gives the next entry. An error that is an errLine is about its line; any
// other, io.EOF among them, ends the file.
func (s *scanner) next() (Entry, error) {
	for {
		text, err := s.r.ReadSlice('\n')
		long := errors.Is(err, bufio.ErrBufferFull)
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = s.r.ReadSlice('\n')
		}
		if err != nil && (!errors.Is(err, io.EOF) || len(text) == 0 && !long) {
			return Entry{}, err
		}
		s.n++
		if long {
			return Entry{}, errLine{fmt.Errorf("a line has at most %d octets", maxLine)}
		}
		trimmed := strings.TrimSpace(string(text))
		if s.n == 1 {
			trimmed = strings.TrimPrefix(trimmed, "\ufeff")
		}
		if trimmed == "" || s.form == CSV && s.n == 1 && !strings.Contains(trimmed, "@") {
			continue // an empty line, or the head of a table
		}
		l, err := s.form.read(trimmed)
		if err != nil {
			return Entry{}, errLine{err}
		}
		e, err := l.entry()
		if err != nil {
			return Entry{}, errLine{err}
		}
		return e, nil
	}
}

// read takes a line apart.
func (f Form) read(text string) (l line, err error) {
	if f == JSONL {
		if err := json.Unmarshal([]byte(text), &l); err != nil {
			return line{}, errors.New("not a JSON object of an entry")
		}
		return l, nil
	}
	fields := strings.Split(text, ",")
	if strings.Contains(text, `"`) {
		if fields, err = csv.NewReader(strings.NewReader(text)).Read(); err != nil {
			return line{}, errors.New("not a line of a table")
		}
	}
	if len(fields) > len(columns) {
		return line{}, fmt.Errorf("a line has at most %d columns", len(columns))
	}
	into := [...]*string{&l.Address, &l.Reason, &l.Updated, &l.MessageID, &l.FeedbackID, &l.List}
	for i, field := range fields {
		*into[i] = strings.TrimSpace(field)
	}
	return l, nil
}

// Writer writes a list to a file.
type Writer struct {
	form Form
	csv  *csv.Writer
	json *json.Encoder
	buf  *bufio.Writer
	head bool
}

// NewWriter makes one that writes in a form. It answers ErrForm.
func NewWriter(w io.Writer, f Form) (*Writer, error) {
	buf := bufio.NewWriter(w)
	out := &Writer{form: f, buf: buf}
	switch f {
	case CSV:
		out.csv = csv.NewWriter(buf)
	case JSONL:
		out.json = json.NewEncoder(buf)
		out.json.SetEscapeHTML(false)
	default:
		return nil, ErrForm
	}
	return out, nil
}

// Write writes one entry.
func (w *Writer) Write(e Entry) error {
	l := line{e.Address.String(), e.Reason.String(), e.Updated.UTC().Format(time.RFC3339Nano), e.MessageID, e.FeedbackID, e.List}
	if w.form == JSONL {
		return w.json.Encode(l)
	}
	if !w.head {
		w.head = true
		if err := w.csv.Write(columns); err != nil {
			return err
		}
	}
	return w.csv.Write([]string{l.Address, l.Reason, l.Updated, l.MessageID, l.FeedbackID, l.List})
}

// Close writes what is held back. It does not close what is below.
func (w *Writer) Close() error {
	if w.csv != nil {
		if w.csv.Flush(); w.csv.Error() != nil {
			return w.csv.Error()
		}
	}
	return w.buf.Flush()
}
