//go:build e2e

package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// all is what a server has of which the API tells.
const all = `
[service]
domain = "return.example.com"
public_url = "https://mail.example.com"
[[source]]
name = "one"
address = "127.0.0.1"
pool = "fast"
`

// The official SDKs, with nothing of theirs changed, call all that is there, by
// TLS. Their mail arrives at a real Postfix.
func TestSDKs(t *testing.T) {
	eachSDK(t, "https", settings{listen: "public = \"127.0.0.1:0\"", delivery: all}, 3, apiTables())
}

// They send without TLS too, and in the profile that answers as Amazon SES does.
func TestSDKsInTheStrictProfile(t *testing.T) {
	eachSDK(t, "http", settings{top: `profile = "ses"`}, 2, apiSends)
}

// The aws command of Debian sends by the lines of docs/howto/api.md.
func TestTheAWSCommandSendsByItsRecipe(t *testing.T) {
	need(t, "/usr/bin/aws")
	mx := receivingPostfix(t)
	port := freePort(t)
	s := newSesame(t, settings{port: portOf(t, mx.Addr), listen: fmt.Sprintf("api = %q", "https://127.0.0.1:"+port)})
	a := newArrivals(t, mx, s.verify("example.com"))
	keys := s.sdkKeys("", "default")
	text := strings.NewReplacer("mail.example.com:8443", "localhost:"+port, "AKIAEXAMPLE", keys.ID, "THE_OTHER", keys.Secret, "/path/to/ca.pem", s.door.ca,
		"aws --endpoint-url", "/usr/bin/aws --endpoint-url").Replace(recipe(t, "api.md", "aws.sh", ""))
	out := script(t, []string{"HOME=" + t.TempDir()}, "aws.sh", text, "sh", "aws.sh")
	d := json.NewDecoder(strings.NewReader(out))
	for _, subject := range []string{"Hello from the aws command", "Hello from version 1"} {
		var sent struct{ MessageID string }
		if err := d.Decode(&sent); err != nil || sent.MessageID == "" {
			t.Errorf("no id in %s: %v", out, err)
		}
		if got := a.signed(t, subject); !bytes.Contains(got, []byte("Message-ID: <"+sent.MessageID+"@")) {
			t.Errorf("no id %s in\n%s", sent.MessageID, got)
		}
	}
}

// writeList writes the addresses that an account imports.
func writeList(t *testing.T, dir string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "list.csv"), []byte("listed@example.net,COMPLAINT\nother@example.net,BOUNCE\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// eachSDK makes calls with each SDK at a server of its own that signs so often.
func eachSDK(t *testing.T, scheme string, o settings, signatures int, calls []apiCall) {
	mx := receivingPostfix(t)
	events, imports, endpoint := filepath.Join(t.TempDir(), "events"), t.TempDir(), scheme+"://127.0.0.1:"+freePort(t)
	o.port = portOf(t, mx.Addr)
	o.listen += fmt.Sprintf("\napi = %q", endpoint)
	o.delivery += fmt.Sprintf("\n[events]\nallow_networks = [\"127.0.0.0/8\"]\nfile_dir = %q\n[api]\nimport_dir = %q", events, imports)
	s := newSesame(t, o)
	l := newListener(t)
	for name := range sdks {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, records := newCaller(t, s, endpoint, name, events, l)
			writeList(t, filepath.Join(imports, c.kept["account"]))
			for _, line := range calls {
				c.make(line)
			}
			checkDKIM(t, signatures, records, c.check(mx, o.top != ""))
		})
	}
}
