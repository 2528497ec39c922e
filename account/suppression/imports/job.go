package imports

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/account/suppression"
)

// State is how far a job is.
type State string

// The states, in the words of SES.
const (
	Created    State = "CREATED"
	Processing State = "PROCESSING"
	Completed  State = "COMPLETED"
	Failed     State = "FAILED"
)

func (s State) over() bool { return s == Completed || s == Failed }

// Job is a file that is to be read into a list, or was.
type Job struct {
	Account string
	ID      string // unique; later ones are greater
	Made    time.Time
	// URL names the file: "file:" and a path in the folder of the account.
	URL  string
	Form suppression.Form
	// Delete takes the addresses off the list.
	Delete bool

	State State
	Ended time.Time // zero while it is not over
	// Lines counts those that hold an entry, or should; Bad those that hold none.
	Lines, Bad int
	// Why says what failed: of the job, or of the first bad lines.
	Why string

	version uint64 // of its record
}

// MaxLines is the most entries of a file (spec section 7.4).
const MaxLines = 100_000

// What a Book may answer beside account.ErrNotFound and what a list answers.
var (
	ErrURL  = errors.New("a file to import is named by file: and a path below the folder of the account")
	ErrFile = errors.New("there is no such file to import")
	ErrForm = suppression.ErrForm
	ErrOff  = errors.New("files cannot be imported: [api] import_dir is not set")
	ErrMany = errors.New("too many imports are under way")
)

// newID makes an id: the milliseconds of its time, then chance.
func newID(now time.Time) string {
	var b [10]byte
	_, _ = rand.Read(b[:]) // never fails
	return fmt.Sprintf("%012x", now.UnixMilli()) + hex.EncodeToString(b[:])
}

// dataVersion is that of the form on disk.
const dataVersion = 1

// data is a Job on disk; account and id are those of the record.
type data struct {
	V      int              `json:"v"`
	Made   time.Time        `json:"made"`
	URL    string           `json:"url"`
	Form   suppression.Form `json:"form"`
	Delete bool             `json:"delete,omitempty"`
	State  State            `json:"state"`
	Ended  time.Time        `json:"ended,omitzero"`
	Lines  int              `json:"lines,omitempty"`
	Bad    int              `json:"bad,omitempty"`
	Why    string           `json:"why,omitempty"`
}

func (j *Job) record() (account.Record, error) {
	text, err := json.Marshal(data{dataVersion, j.Made, j.URL, j.Form, j.Delete, j.State, j.Ended, j.Lines, j.Bad, j.Why})
	return account.Record{Kind: account.KindImport, Account: j.Account, Name: j.ID, Version: j.version, Data: text}, err
}

func decode(r account.Record) (Job, error) {
	var d data
	if err := json.Unmarshal(r.Data, &d); err != nil {
		return Job{}, fmt.Errorf("import %s: %w", r.Name, err)
	}
	if d.V != dataVersion {
		return Job{}, fmt.Errorf("import %s: written in form %d, this program knows %d", r.Name, d.V, dataVersion)
	}
	return Job{Account: r.Account, ID: r.Name, Made: d.Made, URL: d.URL, Form: d.Form, Delete: d.Delete,
		State: d.State, Ended: d.Ended, Lines: d.Lines, Bad: d.Bad, Why: d.Why, version: r.Version}, nil
}
