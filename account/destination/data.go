package destination

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/sesame-mta/sesame/account"
)

// version is that of the form on disk. Fields may be added to it, all optional.
const version = 1

// data is a Destination on disk; the account is the record's, and the record's name
// is recordName.
type data struct {
	V          int         `json:"v"`
	Set        string      `json:"set,omitempty"`
	Identity   string      `json:"identity,omitempty"`
	Topic      string      `json:"topic,omitempty"`
	Name       string      `json:"name"`
	Kind       Kind        `json:"kind"`
	Target     string      `json:"target"`
	Events     []string    `json:"events"`
	Created    time.Time   `json:"created"`
	Disabled   bool        `json:"disabled,omitempty"`
	Parked     time.Time   `json:"parked,omitzero"`
	Resumed    time.Time   `json:"resumed,omitzero"`
	Confirmed  bool        `json:"confirmed,omitempty"`
	Signature  int         `json:"signature,omitempty"`
	Raw        bool        `json:"raw,omitempty"`
	Dimensions []Dimension `json:"dimensions,omitempty"`
	Sealed     []byte      `json:"sealed,omitempty"`
}

// recordName names a record. The name of a destination holds no slash.
func (d *Destination) recordName() string { return d.Owner.String() + "/" + d.Name }

// place is where the secret of a destination may be opened.
func (d *Destination) place() []string {
	return []string{"destination", d.Account, d.Owner.String(), d.Name}
}

func (d *Destination) record() (account.Record, error) {
	text, err := json.Marshal(data{version, d.Set, d.Identity, d.Owner.Topic, d.Name, d.Kind, d.Target, d.Events, d.Created,
		d.Disabled, d.Parked, d.Resumed, d.Confirmed, d.Signature, d.Raw, d.Dimensions, d.sealed})
	return account.Record{Kind: account.KindDestination, Account: d.Account, Name: d.recordName(), Version: d.version, Data: text}, err
}

func decode(r account.Record) (Destination, error) {
	var d data
	if err := json.Unmarshal(r.Data, &d); err != nil {
		return Destination{}, fmt.Errorf("destination %s of %s: %w", r.Name, r.Account, err)
	}
	if d.V != version {
		return Destination{}, fmt.Errorf("destination %s of %s: written in form %d, this program knows %d", r.Name, r.Account, d.V, version)
	}
	return Destination{Owner{r.Account, d.Set, d.Identity, d.Topic}, d.Name, d.Kind, d.Target, d.Events, d.Created,
		d.Disabled, d.Parked, d.Resumed, d.Confirmed, d.Signature, d.Raw, d.Dimensions, Via{}, d.Sealed, r.Version}, nil
}
