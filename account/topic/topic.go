package topic

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/sesame-mta/sesame/account"
)

// Topic is what destinations lead to and others subscribe to.
type Topic struct {
	Account string // 12 digits
	Name    string // unique within the account; letter case counts
	Created time.Time
	// Signature is the version of the signatures for those who subscribe from now
	// on, 1 or 2.
	Signature int

	version uint64 // of the record, to compare
}

// MaxTopics is the most topics of one account.
const MaxTopics = 10_000

// What can be wrong, beside account.ErrNotFound and what package destination says.
var (
	ErrName      = errors.New("the name of a topic is 1 to 256 of letters, digits, hyphen and underscore")
	ErrSignature = errors.New("the version of a signature is 1 or 2")
	ErrARN       = errors.New("not the ARN of a topic of this account here")
	ErrToken     = errors.New("token is not valid")
	ErrEndpoint  = errors.New("an endpoint is the URL of its protocol, http or https")
	ErrTooMany   = fmt.Errorf("an account has at most %d topics", MaxTopics)
)

var nameForm = regexp.MustCompile(`^[A-Za-z0-9_-]{1,256}$`)

// arnPrefix begins the ARN of a topic of an account.
func arnPrefix(region, accountID string) string {
	return "arn:aws:sns:" + region + ":" + accountID + ":"
}

// ARN gives that of a topic.
func (b *Book) ARN(accountID, name string) string { return arnPrefix(b.o.Region, accountID) + name }

// Parse reads the ARN of a topic of an account, which need not exist; ErrARN.
func (b *Book) Parse(accountID, arn string) (name string, err error) {
	name, here := strings.CutPrefix(arn, arnPrefix(b.o.Region, accountID))
	if !here || !nameForm.MatchString(name) {
		return "", ErrARN
	}
	return name, nil
}

// Find gives the topic of an account that an ARN names; account.ErrNotFound, also
// when the ARN is none.
func (b *Book) Find(accountID, arn string) (Topic, error) {
	name, err := b.Parse(accountID, arn)
	if err != nil {
		return Topic{}, fmt.Errorf("%w: %w", account.ErrNotFound, err)
	}
	return b.Get(accountID, name)
}

// version is that of the form on disk.
const version = 1

// data is a Topic on disk; owner and name are the record's.
type data struct {
	V         int       `json:"v"`
	Created   time.Time `json:"created"`
	Signature int       `json:"signature"`
}

func (t *Topic) record() (account.Record, error) {
	text, err := json.Marshal(data{version, t.Created, t.Signature})
	return account.Record{Kind: account.KindTopic, Account: t.Account, Name: t.Name, Version: t.version, Data: text}, err
}

func decode(r account.Record) (Topic, error) {
	var d data
	if err := json.Unmarshal(r.Data, &d); err != nil {
		return Topic{}, fmt.Errorf("topic %s of %s: %w", r.Name, r.Account, err)
	}
	if d.V != version {
		return Topic{}, fmt.Errorf("topic %s of %s: written in form %d, this program knows %d", r.Name, r.Account, d.V, version)
	}
	return Topic{r.Account, r.Name, d.Created, d.Signature, r.Version}, nil
}
