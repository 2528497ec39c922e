package api_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sesame-mta/sesame/api"
)

// sink is a ResponseWriter that keeps nothing.
type sink struct {
	h      http.Header
	status int
}

func (s *sink) Header() http.Header         { return s.h }
func (s *sink) WriteHeader(status int)      { s.status = status }
func (s *sink) Write(p []byte) (int, error) { return len(p), nil }

// BenchmarkRaw is what a version 2 send of a raw message of 2 KB costs before the
// desk.
func BenchmarkRaw(b *testing.B) {
	h := newHouse(b, func(o *api.Options) { o.Log = nil })
	h.desk.drop = true
	body := `{"FromEmailAddress":"ann@example.org","Destination":{"ToAddresses":["bob@example.net"]},"Content":{"Raw":{"Data":"` +
		b64("From: ann@example.org\r\n\r\n"+strings.Repeat("0123456789\r\n", 170)) + `"}}}`
	r := httptest.NewRequest(http.MethodPost, "/v2/email/outbound-emails", strings.NewReader(body))
	sign(b, r, []byte(body), time.Now())
	b.ReportAllocs()
	for b.Loop() {
		again := *r
		again.Body = http.NoBody
		in := strings.NewReader(body)
		again.Body = struct {
			*strings.Reader
			nothing
		}{in, nothing{}}
		w := &sink{h: http.Header{}}
		h.door.ServeHTTP(w, &again)
		if w.status != http.StatusOK {
			b.Fatal(w.status)
		}
	}
}

type nothing struct{}

func (nothing) Close() error { return nil }
