package main

import (
	"encoding/json"
	"io"
	"iter"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
)

// flushRows is how many rows of a table are aligned together: of a longer one
// the first appear while the last are not known yet.
const flushRows = 200

// row is one line of a text; its cells are aligned with those above and below.
type row []string

// object prints v as JSON, or else as the rows.
func (a *app) object(v any, rows ...row) error {
	if a.json {
		return a.line(v)
	}
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	for _, r := range rows {
		r.print(w)
	}
	return w.Flush()
}

// print writes to a buffer; it is Flush that tells of an error.
func (r row) print(w *tabwriter.Writer) {
	for i, cell := range r {
		if i > 0 {
			_, _ = w.Write([]byte{'\t'})
		}
		_, _ = io.WriteString(w, printable(cell, false))
	}
	_, _ = w.Write([]byte{'\n'})
}

func (a *app) line(v any) error {
	enc := json.NewEncoder(a.out)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// table prints a list as JSON, one object a line, or else as rows under a head.
func table[T any](a *app, list iter.Seq2[T, error], head row, text func(T) row) error {
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	n := 0
	for v, err := range list {
		switch {
		case err != nil:
		case a.json:
			err = a.line(v)
		default:
			if n == 0 {
				head.print(w)
			}
			text(v).print(w)
			if n++; n%flushRows == 0 {
				err = w.Flush()
			}
		}
		if err != nil {
			_ = w.Flush() // the first error is the one to tell
			return err
		}
	}
	return w.Flush()
}

// printable makes a text safe for a terminal: what a remote host said may hold
// escape sequences. Line ends stay when lines is set.
func printable(s string, lines bool) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) || lines && r == '\n' {
			return r
		}
		return '?'
	}, s)
}

// instant prints a time as people read it.
func instant(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05") }

// null prints a reverse-path; the null one is <>.
func null(from string) string {
	if from == "" {
		return "<>"
	}
	return from
}
