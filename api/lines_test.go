package api_test

import (
	"strings"
	"testing"
)

// lineEnds gives a text every line of which ends as those of mail do.
func lineEnds(s string) string {
	s = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(s)
	if s != "" && !strings.HasSuffix(s, "\n") {
		s += "\n"
	}
	return strings.ReplaceAll(s, "\n", "\r\n")
}

func (h *house) raw(t *testing.T, text string) (string, answer) {
	t.Helper()
	h.desk.got, h.desk.texts = nil, nil
	a := h.send(`{"FromEmailAddress":"ann@example.org","Destination":{"ToAddresses":["bob@example.net"]},"Content":{"Raw":{"Data":"` + b64(text) + `"}}}`)
	if a.status != 200 {
		return "", a
	}
	return h.desk.texts[0], a
}

func TestEveryLineEndBecomesThatOfMail(t *testing.T) {
	h := newHouse(t)
	for _, pattern := range []string{"a\n", "a\r", "a\r\n", "a\r\r\n", "\n\r", "\r", "\n", "ab\rcd\nef\r\ngh\n\r\r"} {
		for _, times := range []int{1, 2, 1000, 16_383, 16_384, 16_385, 40_000} {
			text := strings.Repeat(pattern, times)
			if got, a := h.raw(t, text); got != lineEnds(text) {
				t.Errorf("%q %d times: %d %s, other text of %d octets", pattern, times, a.status, a.message, len(got))
			}
		}
	}
}

func TestWhatALineHoldsIsSeen(t *testing.T) {
	h := newHouse(t)
	if _, a := h.raw(t, "x: y\n\n"+strings.Repeat("a", 20_000)+"\ngrün\n"); a.status != 200 {
		t.Fatal(a.message)
	}
	if f := h.desk.got[0].Content.Facts(); !f.EightBit || f.LongestLine != 20_000 || f.NUL {
		t.Errorf("%+v", f)
	}
}

func FuzzLineEnds(f *testing.F) {
	f.Add("a\r\nb", 1)
	f.Add("a\r", 16_384)
	h := newHouse(f)
	f.Fuzz(func(t *testing.T, text string, times int) {
		if len(text) > 1000 || times < 1 || times > 20_000 || strings.Contains(text, "\x00") {
			return
		}
		text = strings.Repeat(text, times)
		here := *h
		here.t = t
		got, a := here.raw(t, text)
		h.log.Reset()
		if a.status == 200 && got != lineEnds(text) {
			t.Errorf("%.100q became %.100q", text, got)
		}
	})
}
