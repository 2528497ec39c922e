package api_test

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sesame-mta/sesame/api"
)

// listening serves a house on a real socket.
func (h *house) listening(t *testing.T) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: h.door}
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close() })
	return "http://" + l.Addr().String()
}

// TestLargeMailIsNotHeldInMemory sends messages with attachments of 10 MB, all at
// once: 8 of them, or as many as SESAME_API_SENDS says. What they may take beside the
// one body that all clients share grows by 1 MB for each, and never passes 500 MB.
func TestLargeMailIsNotHeldInMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 200 MB")
	}
	sends := 8
	if text := os.Getenv("SESAME_API_SENDS"); text != "" {
		var err error
		if sends, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	h := newHouse(t, func(o *api.Options) { o.Log = nil })
	h.desk.drop = true
	to := h.listening(t)
	body := []byte(`{"FromEmailAddress":"ann@example.org","Destination":{"ToAddresses":["bob@example.net"]},"Content":{"Simple":{` +
		`"Subject":{"Data":"x"},"Body":{"Text":{"Data":"y"}},"Attachments":[{"FileName":"a.bin","RawContent":"` +
		b64(strings.Repeat("0123456789", 1<<20)) + `"}]}}}`)
	runtime.GC()
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	var most uint64
	stop, watched := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watched)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				var now runtime.MemStats
				runtime.ReadMemStats(&now)
				most = max(most, now.HeapInuse+now.StackInuse)
			}
		}
	}()
	var wg sync.WaitGroup
	for range sends {
		wg.Go(func() {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, to+"/v2/email/outbound-emails", bytes.NewReader(body))
			if err != nil {
				t.Error(err)
				return
			}
			sign(t, r, body, time.Now())
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Error(err)
				return
			}
			text, _ := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				t.Errorf("%d %s", resp.StatusCode, text)
			}
		})
	}
	wg.Wait()
	close(stop)
	<-watched
	took := int64(most) - int64(before.HeapInuse+before.StackInuse)
	t.Logf("%d sends took %d KB", sends, took>>10)
	if limit := min(int64(sends)<<21, 500<<20); took > limit {
		t.Errorf("%d sends took %d MB, at most %d", sends, took>>20, limit>>20)
	}
}
