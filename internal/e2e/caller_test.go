//go:build e2e

package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// caller makes the calls of one SDK in an account of its own.
type caller struct {
	t      *testing.T
	s      *sesame
	name   string
	sdk    sdk
	keys   map[string]sdkKeys
	states map[string]string // of operations
	kept   map[string]string
	sent   map[string]string // subjects by message id
	leaves map[string]bool   // message ids of what arrives
	events string            // file
	hook   *listener
}

// newCaller makes the account of an SDK, with a verified identity, all of whose
// mail is told of in a file.
func newCaller(t *testing.T, s *sesame, endpoint, name, events string, l *listener) (c *caller, records map[string]string) {
	t.Helper()
	c = &caller{t: t, s: s, name: name, sdk: sdks[name](t, s.door.ca), states: apiStates(t), kept: map[string]string{"c": name, "domain": name + ".example.com"},
		sent: make(map[string]string), leaves: make(map[string]bool), events: filepath.Join(events, name+".jsonl"), hook: l}
	c.kept["hook"] = l.url
	var account struct{ ID string }
	s.run(&account, "account", "create", name, "--json")
	c.kept["account"] = account.ID
	s.run(nil, "account", "production", name, "--quota", "50000", "--rate", "500")
	own := s.sdkKeys(endpoint, name)
	unknown, wrong, elsewhere := own, own, own
	unknown.ID, wrong.Secret, elsewhere.Region = "AKIAAAAAAAAAAAAAAAAA", "wrong", "eu-west-9"
	box := name + "-box"
	s.run(nil, "account", "create", box)
	s.run(nil, "identity", "add", box+".example.com", "--account", box, "--verified")
	c.keys = map[string]sdkKeys{"": own, "unknown": unknown, "wrong": wrong, "elsewhere": elsewhere,
		"narrow": s.sdkKeys(endpoint, name, "--from", "*@example.org"), "sandbox": s.sdkKeys(endpoint, box)}
	s.run(nil, "configset", "create", "main", "--account", name)
	records = s.publish(name, c.kept["domain"])
	s.run(nil, "identity", "set", c.kept["domain"], "--account", name, "--configuration-set", "main")
	s.run(nil, "destination", "create", "--account", name, "--configuration-set", "main", "--name", "log", "--file", name+".jsonl")
	return c, records
}

// sdkKeys makes a credential for an SDK.
func (s *sesame) sdkKeys(endpoint, account string, more ...string) sdkKeys {
	s.t.Helper()
	var credential struct {
		ID     string `json:"access_key_id"`
		Secret string `json:"secret_access_key"`
	}
	s.run(&credential, append([]string{"credential", "create", "--account", account, "--json"}, more...)...)
	return sdkKeys{endpoint, "local-1", credential.ID, credential.Secret}
}

// publish gives the TXT records that an identity with its keys makes, behind their
// CNAME records, and those of the service domain, if there is one.
func (s *sesame) publish(account, domain string) map[string]string {
	s.t.Helper()
	type record struct{ Name, Type, Value string }
	var identity struct{ Records []record }
	s.run(&identity, "identity", "add", domain, "--account", account, "--verified", "--ed25519", "--json")
	txt := make(map[string]string)
	if out, err := s.command("service", "records", "--json"); err == nil {
		for d := json.NewDecoder(bytes.NewReader(out)); d.More(); {
			var r record
			if err := d.Decode(&r); err != nil {
				s.t.Fatal(err)
			}
			txt[strings.TrimSuffix(r.Name, ".")] = r.Value
		}
	}
	for _, r := range identity.Records {
		value := r.Value
		if r.Type == "CNAME" {
			value = txt[strings.TrimSuffix(r.Value, ".")]
		}
		txt[strings.TrimSuffix(r.Name, ".")] = value
	}
	return txt
}

// placeholder is the place of something kept.
var placeholder = regexp.MustCompile(`\$[a-z0-9]+`)

// fill puts what was kept in its places.
func (c *caller) fill(text string) string {
	return placeholder.ReplaceAllStringFunc(text, func(name string) string {
		value, ok := c.kept[name[1:]]
		if !ok && name != "$blob" {
			c.t.Errorf("nothing was kept as %s for %s", name, text)
		}
		if !ok {
			return name
		}
		return value
	})
}

// make makes one call and looks at the answer.
func (c *caller) make(line apiCall) {
	c.t.Helper()
	if line.service == cmd {
		c.s.run(nil, strings.Fields(c.fill(line.op+" "+line.in))...)
		return
	}
	if line.service == hook {
		m := c.hook.heard(c.t, "/"+c.name, line.op, c.fill(line.in))
		c.keep(line, m)
		return
	}
	if line.service == "nodemailer" && c.name != "node" {
		return
	}
	in := c.fill(line.in)
	if in == "" {
		in = "{}"
	}
	what := line.service + " " + line.op + " " + in
	call := sdkCall{line.service, line.op, json.RawMessage(in), c.keys[line.as]}
	a, err := c.sdk.call(call)
	if err != nil {
		c.t.Fatalf("%s: %v", what, err)
	}
	if a.Skip != "" {
		if c.name == "go" || !older(a.Skip) {
			c.t.Errorf("%s: %s", what, a.Skip)
		}
		return
	}
	want := c.fill(line.want)
	if state, known := c.states[line.service+" "+line.op]; known && !there(state) {
		want = map[string]string{v1: "InvalidAction: Unavailable Operation", v2: "UnknownOperationException: Unavailable Operation"}[line.service]
	}
	if !strings.HasPrefix(want, "{") {
		code, message, _ := strings.Cut(want, ": ")
		if a.Code != code && a.Code != code+"Exception" || !strings.HasPrefix(a.Message, message) {
			c.t.Errorf("%s: %+v, want %s", what, a, want)
		}
		if has := strings.Fields(modelled[line.service]); slices.Contains(has, code) && slices.Contains(strings.Fields(plain), a.Type) {
			c.t.Errorf("%s: %+v has not a type of its own", what, a)
		}
		return
	}
	if a.Code != "" && !line.until {
		c.t.Errorf("%s: %+v, want %s", what, a, want)
		return
	}
	var tree any
	if err := json.Unmarshal([]byte(want), &tree); err != nil {
		c.t.Fatalf("%v in %s", err, want)
	}
	for deadline := time.Now().Add(20 * time.Second); line.until && holds(a.Out, tree, "") != nil && time.Now().Before(deadline); tick(c.t, 50*time.Millisecond) {
		if a, err = c.sdk.call(call); err != nil {
			c.t.Fatalf("%s: %v", what, err)
		}
	}
	if err := holds(a.Out, tree, "answer"); err != nil {
		c.t.Errorf("%s: %v in %v", what, err, a.Out)
	}
	c.keep(line, a.Out)
	for i, mail := range slices.Concat(line.mail, line.told) {
		path, subject, _ := strings.Cut(mail, "=")
		id := fmt.Sprint(at(a.Out, path))
		c.sent[id], c.leaves[id] = c.fill(subject), i < len(line.mail)
	}
}

// keep keeps what a line wants kept of an answer.
func (c *caller) keep(line apiCall, answer any) {
	for _, keep := range strings.Fields(line.keep) {
		name, path, _ := strings.Cut(keep, "=")
		c.kept[name] = fmt.Sprint(at(answer, path))
	}
}

// older reports whether a call cannot be made since the SDK does not know it yet.
func older(text string) bool {
	for _, known := range []string{"no operation", "Unknown parameter", "Found invalid choice", "Invalid choice"} {
		if strings.Contains(text, known) {
			return true
		}
	}
	return false
}

// at gives a part of an answer by its path.
func at(tree any, path string) any {
	for name := range strings.SplitSeq(path, ".") {
		switch v := tree.(type) {
		case map[string]any:
			tree = v[name]
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i >= len(v) {
				return nil
			}
			tree = v[i]
		default:
			return nil
		}
	}
	return tree
}

// holds reports what of a wanted answer another one lacks.
func holds(got, want any, path string) error {
	switch w := want.(type) {
	case map[string]any:
		g, _ := got.(map[string]any)
		for name, value := range w {
			if err := holds(g[name], value, path+"."+name); err != nil {
				return err
			}
		}
		return nil
	case []any:
		g, _ := got.([]any)
		if len(g) != len(w) {
			return fmt.Errorf("%s is %v, want %d of them: %v", path, got, len(w), want)
		}
		for i := range w {
			if err := holds(g[i], w[i], fmt.Sprint(path, ".", i)); err != nil {
				return err
			}
		}
		return nil
	case nil, bool:
		// What is no, SDKs may leave out or write down.
		if want == nil || want == false {
			if s := fmt.Sprint(got); got == nil || s == "" || s == "false" || s == "[]" || s == "map[]" {
				return nil
			}
		}
	case string:
		if w == "*" && got != nil && got != "" && fmt.Sprint(got) != "[]" {
			return nil
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		return fmt.Errorf("%s is %v, want %v", path, got, want)
	}
	return nil
}
