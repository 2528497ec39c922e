package trace_test

import (
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/trace"
)

func TestATornTailIsCutAndSaidToBeMissing(t *testing.T) {
	for name, harm := range map[string]func(p []byte) []byte{
		"cut in a block":  func(p []byte) []byte { return p[:len(p)-100] },
		"cut in a header": func(p []byte) []byte { return append(p, p[:20]...) },
		"zeros":           func(p []byte) []byte { return append(p, make([]byte, 4096)...) },
		"not closed":      func(p []byte) []byte { return p[:len(p)-48] },
	} {
		t.Run(name, func(t *testing.T) {
			o := trace.Options{Dir: t.TempDir()}
			r, stop := open(t, o)
			m := minter(t)
			id, recs := message(m, 0)
			recs[0].To = append(recs[0].To, "waits@example.net")
			r.Add(recs[0])
			if _, err := r.Find(t.Context(), trace.Query{ID: id}); err != nil {
				t.Fatal(err)
			}
			r.Add(recs[1]) // in a block of its own
			stop()
			path := segments(t, o.Dir)[0]
			p, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, harm(p), 0o600); err != nil {
				t.Fatal(err)
			}
			r, _ = open(t, o)
			got, err := r.Find(t.Context(), trace.Query{ID: id})
			if err != nil || len(got) != 1 || got[0].Records[0].Kind != trace.Accepted {
				t.Fatalf("%v, %v", got, err)
			}
			if last := got[0].Records[len(got[0].Records)-1]; last.Kind != trace.Lost || last.Missing != 0 {
				t.Errorf("the last record is %+v", last)
			}
			r.Add(recs[1])
			if got, err = r.Find(t.Context(), trace.Query{ID: id}); err != nil || len(got[0].Records) < 3 {
				t.Errorf("after that nothing is kept: %v, %v", got, err)
			}
		})
	}
}

func TestWhatIsLostAfterTheEndOfALifeIsNotTold(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		o := trace.Options{Dir: dir}
		m := minter(t)
		done, recs := message(m, 0)
		waits, others := message(m, 1)
		r, stop := open(t, o)
		for _, rec := range append(recs, others[0]) {
			r.Add(rec)
		}
		stop()
		time.Sleep(time.Minute)
		r, stop = open(t, o)
		time.Sleep(time.Minute)
		r.Add(&trace.Record{Kind: trace.Lost, Time: time.Now(), Since: time.Now().Add(-time.Second), Missing: 7})
		for id, want := range map[mail.ID]int{done: 2, waits: 2} {
			got, err := r.Find(t.Context(), trace.Query{ID: id})
			if err != nil || len(got) != 1 || len(got[0].Records) != want || (got[0].Records[1].Missing == 7) != (id == waits) {
				t.Errorf("%v, %v", got, err)
			}
		}
		stop()
	})
}

func TestWithoutADiskRecordsAreLostAndItGoesOnAfterwards(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "trace")
	r, _ := open(t, trace.Options{Dir: dir})
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	m := minter(t)
	_, recs := message(m, 0)
	r.Add(recs[0])
	if _, err := r.Find(t.Context(), trace.Query{}); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	id, recs := message(m, 1)
	r.Add(recs[0])
	got, err := r.Find(t.Context(), trace.Query{ID: id})
	if err != nil || len(got) != 1 || len(got[0].Records) != 2 || got[0].Records[1].Missing != 1 {
		t.Errorf("%v, %v", got, err)
	}
}

func TestABlockThatIsBrokenHidesNoOther(t *testing.T) {
	dir := t.TempDir()
	r, _ := open(t, trace.Options{Dir: dir})
	m := minter(t)
	var ids []mail.ID
	var ends []int64
	for n := range 3 {
		id, recs := message(m, n)
		r.Add(recs[0])
		if _, err := r.Find(t.Context(), trace.Query{ID: id}); err != nil {
			t.Fatal(err)
		}
		ids, ends = append(ids, id), append(ends, size(t, dir))
	}
	f, err := os.OpenFile(segments(t, dir)[0], os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("broken"), ends[1]-50); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	for n, want := range []int{1, 0, 1} {
		if got, err := r.Find(t.Context(), trace.Query{ID: ids[n]}); err != nil || len(got) != want {
			t.Errorf("message %d: %v, %v", n, got, err)
		}
	}
}

func TestTheOldestGoesWhenThereIsTooMuch(t *testing.T) {
	dir := t.TempDir()
	const most = 1 << 20
	r, _ := open(t, trace.Options{Dir: dir, MaxBytes: most})
	m := minter(t)
	var first, last mail.ID
	for n := range 6000 {
		id, recs := message(m, n)
		if n == 0 {
			first = id
		}
		last = id
		r.Add(recs[0])
		r.Add(recs[1])
		if n%100 == 99 {
			if _, err := r.Find(t.Context(), trace.Query{ID: id}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if n := size(t, dir); n > most || n < most/2 {
		t.Errorf("%d octets are kept", n)
	}
	if got, err := r.Find(t.Context(), trace.Query{ID: last}); err != nil || len(got) != 1 {
		t.Errorf("the last: %v, %v", got, err)
	}
	if got, err := r.Find(t.Context(), trace.Query{ID: first}); err != nil || len(got) != 0 {
		t.Errorf("the first: %v, %v", got, err)
	}
}

func TestWhatIsTooOldGoes(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		r, stop := open(t, trace.Options{Dir: dir, Keep: 16 * time.Hour})
		defer stop()
		m := minter(t)
		var ids []mail.ID
		for n := range 40 {
			id, recs := message(m, n)
			ids = append(ids, id)
			r.Add(recs[0])
			time.Sleep(time.Hour)
		}
		for n, want := range map[int]int{0: 0, 20: 0, 25: 1, 39: 1} {
			if got, err := r.Find(t.Context(), trace.Query{ID: ids[n]}); err != nil || len(got) != want {
				t.Errorf("message %d: %v, %v", n, got, err)
			}
		}
	})
}

// FuzzSegment reads whatever lies in a segment.
func FuzzSegment(f *testing.F) {
	dir := f.TempDir()
	r, stop := open(f, trace.Options{Dir: dir})
	id, recs := message(minter(f), 0)
	r.Add(recs[0])
	r.Add(recs[1])
	stop()
	names, _ := filepath.Glob(filepath.Join(dir, "*.trace"))
	p, err := os.ReadFile(names[0])
	if err != nil {
		f.Fatal(err)
	}
	f.Add(p)
	f.Add(p[:60])
	f.Fuzz(func(t *testing.T, p []byte) {
		dir := t.TempDir()
		for _, name := range []string{"0000000000001.trace", "0000000000002.trace"} {
			if err := os.WriteFile(filepath.Join(dir, name), p, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		r, err := trace.Open(trace.Options{Dir: dir, Keep: 200 * 365 * 24 * time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		for _, q := range []trace.Query{{ID: id}, {To: recs[0].To[0]}, {}} {
			if _, err := r.Find(t.Context(), q); err != nil {
				t.Error(err)
			}
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
}
