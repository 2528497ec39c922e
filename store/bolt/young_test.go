package bolt_test

import (
	"bytes"
	"fmt"
	"io"
	"testing"

	"github.com/sesame-mta/sesame/store/bolt"
)

func TestContentStaysWhatItWasForWhoReadsItWhileItsMessageGoes(t *testing.T) {
	s := open(t, bolt.Options{Dir: t.TempDir()})
	m := mint(t, s)
	body := func(n int) []byte { return bytes.Repeat(fmt.Appendf(nil, "%08d\r\n", n), 1+n*50) }
	first, err := add(s, m, body(100))
	if err != nil {
		t.Fatal(err)
	}
	c, err := s.Open(t.Context(), first)
	if err != nil {
		t.Fatal(err)
	}
	if err := deliver(s, first); err != nil {
		t.Fatal(err)
	}
	for n := range 20 { // drafts of all sizes come after it
		id, err := add(s, m, body(n))
		if err != nil {
			t.Fatal(err)
		}
		other, err := s.Open(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(io.NewSectionReader(other, 0, other.Size())); err != nil || !bytes.Equal(got, body(n)) {
			t.Fatalf("message %d: %d octets, %v", n, len(got), err)
		}
	}
	if got, err := io.ReadAll(io.NewSectionReader(c, 0, c.Size())); err != nil || !bytes.Equal(got, body(100)) {
		t.Errorf("the first: %d octets, %v", len(got), err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}
