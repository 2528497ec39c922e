package reputation

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sesame-mta/sesame/internal/atomicfile"
)

// version is that of the forms on disk.
const version = 1

// ratingsFile holds the ratings; beside it lies a file of points for each day.
const ratingsFile = "ratings.json"

// ratingsData is ratingsFile.
type ratingsData struct {
	V       int                  `json:"v"`
	Domains map[string]time.Time `json:"domains"` // that send complaints
	Ratings []ratingData         `json:"ratings"`
}

// ratingData is a rating on disk; a span is its start, mails, and those bad.
type ratingData struct {
	Account    string     `json:"account"`
	Kind       Kind       `json:"kind"`
	Name       string     `json:"name,omitempty"`
	State      string     `json:"state"`
	Since      time.Time  `json:"since"`
	Untold     string     `json:"untold,omitempty"` // the state before, until the change was told
	Fresh      time.Time  `json:"fresh,omitzero"`
	Last       time.Time  `json:"last"`
	Bounces    [][3]int64 `json:"bounces,omitempty"`
	Complaints [][3]int64 `json:"complaints,omitempty"`
}

// dayData is the points of a day: by account, the second of the begin, attempts,
// bounces, complaints, rejects.
type dayData struct {
	V      int                          `json:"v"`
	Points map[string][][fieldsOf]int64 `json:"points"`
}

// save writes what is new. Run alone calls it.
func (b *Book) save(now time.Time) error {
	b.mu.Lock()
	files := map[string]any{}
	if b.unkept {
		files[ratingsFile] = b.ratingsData()
	}
	for day := range b.days {
		files[day+".json"] = b.dayData(day)
	}
	b.unkept = false
	clear(b.days)
	b.mu.Unlock()
	var errs []error
	for name, data := range files {
		text, err := json.Marshal(data)
		if err == nil {
			err = atomicfile.Write(filepath.Join(b.o.Dir, name), text, 0o600)
		}
		if err != nil {
			errs = append(errs, err)
			b.again(name)
		}
	}
	if today := now.UTC().Format(dayForm); today != b.today {
		errs = append(errs, b.removeOld(now))
		b.today = today
	}
	return errors.Join(errs...)
}

// again has a file written with the next ones.
func (b *Book) again(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if name == ratingsFile {
		b.unkept = true
		return
	}
	b.days[strings.TrimSuffix(name, ".json")] = true
}

// removeOld removes the files of days that are over for long.
func (b *Book) removeOld(now time.Time) error {
	days, err := b.kept()
	if err != nil {
		return err
	}
	var errs []error
	for _, day := range days {
		if now.Sub(day) > keptFor+24*time.Hour {
			errs = append(errs, os.Remove(b.path(day)))
		}
	}
	return errors.Join(errs...)
}

func (b *Book) path(day time.Time) string {
	return filepath.Join(b.o.Dir, day.Format(dayForm)+".json")
}

// kept gives the days that have a file, in order.
func (b *Book) kept() (days []time.Time, err error) {
	entries, err := os.ReadDir(b.o.Dir)
	for _, e := range entries {
		if day, err := time.Parse(dayForm+".json", e.Name()); err == nil {
			days = append(days, day)
		}
	}
	return days, err
}

func (b *Book) ratingsData() ratingsData {
	data := ratingsData{V: version, Domains: maps.Clone(b.domains)}
	for s, r := range b.ratings {
		d := ratingData{
			Account: s.Account, Kind: s.Kind, Name: s.Name, State: r.state.String(), Since: r.since, Fresh: r.fresh, Last: r.last,
			Bounces: r.bounces.data(), Complaints: r.complaints.data(),
		}
		if r.untold != 0 {
			d.Untold = r.untold.String()
		}
		data.Ratings = append(data.Ratings, d)
	}
	return data
}

func (w *window) data() (out [][3]int64) {
	for _, s := range w.spans {
		out = append(out, [3]int64{s.start, s.mails, s.bad})
	}
	return out
}

func windowOf(data [][3]int64) (w window) {
	for _, d := range data {
		w.spans = append(w.spans, span{d[0], d[1], d[2]})
		w.total.Mails += d[1]
		w.total.Bad += d[2]
	}
	return w
}

func (b *Book) dayData(day string) dayData {
	data := dayData{V: version, Points: map[string][][fieldsOf]int64{}}
	for id, list := range b.points {
		for _, p := range list {
			if p.Time.Format(dayForm) == day {
				data.Points[id] = append(data.Points[id], [fieldsOf]int64{p.Time.Unix(),
					int64(p.Attempts), int64(p.Bounces), int64(p.Complaints), int64(p.Rejects)})
			}
		}
	}
	return data
}

// load reads all files.
func (b *Book) load(now time.Time) error {
	if err := os.MkdirAll(b.o.Dir, 0o700); err != nil {
		return fmt.Errorf("reputation: %w", err)
	}
	if err := b.removeHalves(); err != nil {
		return fmt.Errorf("reputation: %w", err)
	}
	if err := b.loadRatings(); err != nil {
		return err
	}
	days, err := b.kept()
	if err != nil {
		return fmt.Errorf("reputation: %w", err)
	}
	slices.SortFunc(days, time.Time.Compare)
	for _, day := range days {
		if now.Sub(day) > keptFor+24*time.Hour {
			continue
		}
		data, err := read[dayData](b, b.path(day))
		if err != nil {
			return err
		}
		for id, list := range data.Points {
			for _, p := range list {
				b.points[id] = append(b.points[id], Point{time.Unix(p[0], 0).UTC(), uint32(p[1]), uint32(p[2]), uint32(p[3]), uint32(p[4])})
			}
		}
	}
	return nil
}

// removeHalves removes what a crash left half written.
func (b *Book) removeHalves() error {
	entries, err := os.ReadDir(b.o.Dir)
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") && strings.HasSuffix(e.Name(), ".tmp") {
			err = errors.Join(err, os.Remove(filepath.Join(b.o.Dir, e.Name())))
		}
	}
	return err
}

func (b *Book) loadRatings() error {
	data, err := read[ratingsData](b, filepath.Join(b.o.Dir, ratingsFile))
	if err != nil {
		return err
	}
	if data.Domains != nil {
		b.domains = data.Domains
	}
	for _, d := range data.Ratings {
		state, ok := stateOf(d.State)
		if !ok {
			return fmt.Errorf("reputation: %s: unknown state %q", ratingsFile, d.State)
		}
		untold, _ := stateOf(d.Untold)
		b.ratings[Subject{d.Account, d.Kind, d.Name}] = &rating{
			state: state, untold: untold, since: d.Since, fresh: d.Fresh, last: d.Last,
			bounces: windowOf(d.Bounces), complaints: windowOf(d.Complaints),
		}
		if d.Kind != Account {
			b.named[d.Account]++
		}
	}
	return nil
}

// read reads a file, if it is there, and looks at its version. One that is damaged
// is put aside.
func read[T any](b *Book, path string) (data T, err error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return data, nil
	}
	if err != nil {
		return data, fmt.Errorf("reputation: %w", err)
	}
	var form struct {
		V int `json:"v"`
	}
	err = json.Unmarshal(text, &form)
	if err == nil && form.V != version {
		return data, fmt.Errorf("reputation: %s: written in form %d, this program knows %d", filepath.Base(path), form.V, version)
	}
	if err == nil {
		err = json.Unmarshal(text, &data)
	}
	if err != nil {
		b.o.Log.Error("reputation is damaged, begun anew", "text", filepath.Base(path), "err", err)
		var none T
		return none, os.Rename(path, path+".damaged")
	}
	return data, nil
}
