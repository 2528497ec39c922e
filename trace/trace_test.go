package trace_test

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/trace"
)

func minter(t testing.TB) *mail.Minter {
	t.Helper()
	m, err := mail.NewMinter([]byte("0123456789abcdef"), 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// open makes a recorder that runs until stop is called, or the test ends.
func open(t testing.TB, o trace.Options) (r *trace.Recorder, stop func()) {
	t.Helper()
	r, err := trace.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := errors.Join(<-done, r.Close()); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(stop)
	return r, stop
}

// random gives n hexadecimal digits that no compression helps with.
func random(n int) string {
	b := make([]byte, n/2)
	_, _ = rand.Read(b)
	return hex.EncodeToString(b)
}

// message gives the two records of a message that one attempt delivers, as they are
// with a large provider.
func message(m *mail.Minter, n int) (mail.ID, []*trace.Record) {
	now := time.Now()
	id := m.New(now)
	from, to := fmt.Sprintf("bounce+%s@news.example.org", random(8)), fmt.Sprintf("%s.%d@example.net", random(6), n)
	d := trace.Begin()
	for _, s := range []string{
		"*addresses of mx1.mail.example.net: [192.0.2.26 192.0.2.27]",
		"*connect to mx1.mail.example.net [192.0.2.26:25], source default, TLS opportunistic",
		"S220 mx.example.net ESMTP " + random(24) + "-gsmtp",
		"CEHLO mx1.example.org",
		"S250 mx.example.net at your service, [203.0.113.9]\nSIZE 157286400\n8BITMIME\nSTARTTLS\nENHANCEDSTATUSCODES\nPIPELINING\nCHUNKING\nSMTPUTF8",
		"CSTARTTLS",
		"S220 2.0.0 Ready to start TLS",
		`*TLSv1.3 TLS_AES_128_GCM_SHA256, certificate of "mx.example.net" by "WE2", not verified`,
		"CEHLO mx1.example.org",
		"S250 mx.example.net at your service, [203.0.113.9]\nSIZE 157286400\n8BITMIME\nENHANCEDSTATUSCODES\nPIPELINING\nCHUNKING\nSMTPUTF8",
		"CMAIL FROM:<" + from + "> SIZE=2411",
		"CRCPT TO:<" + to + ">",
		"CBDAT 2411 LAST",
		"*content of 2411 octets",
		"S250 2.1.0 OK " + random(24) + " - gsmtp",
		"S250 2.1.5 OK " + random(24) + " - gsmtp",
		"S250 2.0.0 OK " + random(40) + " - gsmtp",
	} {
		d.Add(s[0], s[1:])
	}
	a := &trace.Attempt{Domain: "example.net", Site: "mx1.mail.example.net", Hosts: []string{"5 mx1.mail.example.net", "10 mx2.mail.example.net"}}
	d.Fill(a)
	return id, []*trace.Record{
		{Kind: trace.Accepted, Time: now, ID: id, Account: "000000000001", From: from, To: []string{to},
			MessageID: "<" + random(32) + "@news.example.org>",
			Entry: &trace.Entry{Client: "198.51.100.7", Helo: "app1.example.org", Protocol: "ESMTPSA", TLS: "TLSv1.3", Cipher: "TLS_AES_128_GCM_SHA256",
				Session: random(16), Credential: "AKIAEZUJAM5S3ZU2QXO4", Size: 2100, Passed: strings.Fields("configset pause from identity sandbox unique tags attachments hops rate"),
				Added: []string{"Received", "Feedback-ID"}, Keys: []string{"example.org/s1", "example.org/s2"}}},
		{Kind: trace.Attempted, Time: now, ID: id, Account: "000000000001", From: from, To: []string{to}, Attempt: a,
			Outcomes: []trace.Outcome{{To: to, Result: "delivered", Reply: "250 2.0.0 OK " + random(40) + " - gsmtp", Host: "mx1.mail.example.net",
				Addr: "192.0.2.26:25", Source: "default", TLS: "TLSv1.3", Attempt: 1}}},
	}
}

func TestAMessageIsFoundByAllItsNamesAcrossRestarts(t *testing.T) {
	o := trace.Options{Dir: filepath.Join(t.TempDir(), "trace")}
	r, stop := open(t, o)
	m := minter(t)
	var ids []mail.ID
	var all [][]*trace.Record
	for n := range 500 {
		id, recs := message(m, n)
		ids, all = append(ids, id), append(all, recs)
		r.Add(recs[0])
	}
	stop()
	r, _ = open(t, o) // the attempts lie in another segment
	for n := range all {
		r.Add(all[n][1])
	}
	for _, n := range []int{0, 250, 499} {
		rec := all[n][0]
		for name, q := range map[string]trace.Query{
			"id": {ID: ids[n]}, "recipient": {To: strings.ToUpper(rec.To[0])}, "sender": {From: rec.From},
			"Message-ID": {MessageID: rec.MessageID}, "Message-ID without brackets": {MessageID: strings.Trim(rec.MessageID, "<>")},
			"two names": {From: rec.From, To: rec.To[0], Since: time.Now().Add(-time.Hour)},
		} {
			got, err := r.Find(t.Context(), q)
			if err != nil || len(got) != 1 || got[0].ID != ids[n] || len(got[0].Records) != 2 {
				t.Fatalf("%d by %s: %v, %v", n, name, got, err)
			}
			first, second := got[0].Records[0], got[0].Records[1]
			if first.Kind != trace.Accepted || first.Entry.Helo != "app1.example.org" || second.Kind != trace.Attempted ||
				len(second.Attempt.Steps) != 17 || second.Outcomes[0].Result != "delivered" || !first.Time.Equal(rec.Time.Truncate(time.Microsecond)) {
				t.Errorf("%d by %s: %+v, %+v", n, name, first, second)
			}
		}
	}
	newest, err := r.Find(t.Context(), trace.Query{Limit: 3})
	if err != nil || len(newest) != 3 || newest[2].ID != ids[499] || newest[0].ID != ids[497] {
		t.Errorf("the newest: %d, %v", len(newest), err)
	}
	for name, q := range map[string]trace.Query{"a stranger": {To: "x@example.net"}, "an unknown id": {ID: m.New(time.Now())},
		"another's recipient": {From: all[0][0].From, To: all[1][0].To[0]}, "too old": {To: all[0][0].To[0], Since: time.Now().Add(time.Hour)}} {
		if got, err := r.Find(t.Context(), q); err != nil || len(got) != 0 {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

func TestAMessageTakesLessThanAKilobyte(t *testing.T) {
	for _, rate := range []int{1, 2, 1000} { // messages in a block
		dir := t.TempDir()
		r, _ := open(t, trace.Options{Dir: dir})
		m := minter(t)
		const messages = 2000
		for n := range messages / max(1, 1000/rate) {
			_, recs := message(m, n)
			r.Add(recs[0])
			r.Add(recs[1])
			if n%rate == rate-1 {
				if _, err := r.Find(t.Context(), trace.Query{Limit: 1}); err != nil { // writes the block
					t.Fatal(err)
				}
			}
		}
		each := size(t, dir) / int64(messages/max(1, 1000/rate))
		t.Logf("%d octets a message, %d messages in a block", each, rate)
		if each >= 1024 {
			t.Errorf("%d octets a message", each)
		}
	}
}

func size(t *testing.T, dir string) (n int64) {
	t.Helper()
	for _, name := range segments(t, dir) {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		n += info.Size()
	}
	return n
}

func segments(t *testing.T, dir string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.trace"))
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestUnderPressureRecordsAreLostAndTheTraceSaysSo(t *testing.T) {
	reg := prometheus.NewRegistry()
	r, err := trace.Open(trace.Options{Dir: t.TempDir(), Metrics: reg})
	if err != nil {
		t.Fatal(err)
	}
	m := minter(t)
	var first mail.ID
	for n := range 9000 { // nobody writes: more than fit wait
		id, recs := message(m, n)
		if n == 0 {
			first = id
		}
		r.Add(recs[0])
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	got, err := r.Find(t.Context(), trace.Query{ID: first})
	if err != nil || len(got) != 1 || len(got[0].Records) != 2 {
		t.Fatalf("%v, %v", got, err)
	}
	gap := got[0].Records[1]
	if gap.Kind != trace.Lost || gap.Missing != 9000-8192 {
		t.Errorf("the gap is %+v", gap)
	}
	if err := testutil.GatherAndCompare(reg, strings.NewReader(`
# HELP sesame_trace_dropped_total Records lost, under pressure or for want of a disk.
# TYPE sesame_trace_dropped_total counter
sesame_trace_dropped_total 808
`), "sesame_trace_dropped_total"); err != nil {
		t.Error(err)
	}
}

func TestARecordIsWrittenWithinASecond(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		r, stop := open(t, trace.Options{Dir: dir})
		defer stop()
		_, recs := message(minter(t), 0)
		r.Add(recs[0])
		time.Sleep(time.Second)
		synctest.Wait()
		if size(t, dir) == 0 {
			t.Error("nothing is on disk")
		}
	})
}

func TestNobodyRecordsAtNoCost(t *testing.T) {
	var r *trace.Recorder
	if r.On() {
		t.Error("it is on")
	}
	if n := testing.AllocsPerRun(100, func() { r.Add(nil) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if _, err := r.Find(t.Context(), trace.Query{}); !errors.Is(err, trace.ErrOff) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := errors.Join(r.Run(ctx), r.Close()); err != nil {
		t.Error(err)
	}
}

func TestADialogueIsBounded(t *testing.T) {
	d := trace.Begin()
	for range 10_000 {
		d.Add(trace.Server, strings.Repeat("x", 5000))
	}
	var a trace.Attempt
	d.Fill(&a)
	octets := 0
	for _, s := range a.Steps {
		octets += len(s.Text)
	}
	if octets > 16<<10 || octets < 10<<10 || len(a.Steps)+a.Cut != 10_000 {
		t.Errorf("%d octets in %d steps, %d cut", octets, len(a.Steps), a.Cut)
	}
}

func TestARecordIsBounded(t *testing.T) {
	r, _ := open(t, trace.Options{Dir: t.TempDir()})
	long := strings.Repeat("x", 50_000)
	id := minter(t).New(time.Now())
	r.Add(&trace.Record{Kind: trace.Accepted, Time: time.Now(), ID: id, MessageID: long, Text: long,
		Entry: &trace.Entry{Helo: long, Reply: long, Cause: long}, Outcomes: []trace.Outcome{{Reply: long, Cause: long}}})
	got, err := r.Find(t.Context(), trace.Query{ID: id})
	if err != nil || len(got) != 1 {
		t.Fatalf("%v, %v", got, err)
	}
	rec := got[0].Records[0]
	for _, s := range []string{rec.MessageID, rec.Text, rec.Entry.Helo, rec.Entry.Reply, rec.Entry.Cause, rec.Outcomes[0].Reply, rec.Outcomes[0].Cause} {
		if len(s) != 1000 {
			t.Errorf("%d octets are kept", len(s))
		}
	}
}

func TestWhatManyRecipientsHaveInCommonIsKeptOnceAndToldOfEach(t *testing.T) {
	dir := t.TempDir()
	r, stop := open(t, trace.Options{Dir: dir})
	id := minter(t).New(time.Now())
	rec := &trace.Record{Kind: trace.Attempted, Time: time.Now(), ID: id}
	var want []trace.Outcome
	for i := range 1000 {
		o := trace.Outcome{To: fmt.Sprintf("r%d@example.org", i), Result: "delivered", Reply: "250 2.0.0 " + strings.Repeat("ok ", 30), Attempt: 1}
		switch {
		case i == 0 || i == 7:
			o.Result, o.Reply = "failed", "550 5.1.1 unknown"
		case i > 600:
			o.Limit = &trace.Limit{Name: "retry", Used: float64(i / 900)}
		}
		want = append(want, o)
		rec.Came(o)
	}
	r.Add(rec)
	check := func(r *trace.Recorder) {
		t.Helper()
		got, err := r.Find(t.Context(), trace.Query{ID: id})
		if err != nil || len(got) != 1 {
			t.Fatalf("%v, %v", got, err)
		}
		if all := got[0].Records[0].Outcomes; !reflect.DeepEqual(all, want) {
			t.Errorf("%d outcomes: %+v ...", len(all), all[:min(len(all), 10)])
		}
	}
	check(r)
	stop()
	names, err := filepath.Glob(filepath.Join(dir, "*.trace"))
	if err != nil || len(names) != 1 {
		t.Fatal(names, err)
	}
	if info, err := os.Stat(names[0]); err != nil || info.Size() > 9_000 {
		t.Errorf("%d octets on disk, %v", info.Size(), err)
	}
	again, _ := open(t, trace.Options{Dir: dir})
	check(again)
}

// BenchmarkMessage is the whole cost of one message with one recipient and one
// attempt, writing included.
func BenchmarkMessage(b *testing.B) {
	r, stop := open(b, trace.Options{Dir: b.TempDir()})
	m := minter(b)
	var made [][]*trace.Record
	for n := range 1000 {
		_, recs := message(m, n)
		made = append(made, recs)
	}
	nobody := m.New(time.Now()) // to search for it writes what waits, and reads nothing
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		for _, rec := range made[n%1000] {
			c := *rec
			r.Add(&c)
		}
		if n++; n%1000 == 0 {
			if _, err := r.Find(b.Context(), trace.Query{ID: nobody}); err != nil {
				b.Fatal(err)
			}
		}
	}
	stop()
}
