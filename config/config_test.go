package config_test

import (
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sesame-mta/sesame/config"
)

var update = flag.Bool("update", false, "rewrite golden files and docs/configuration.md")

func ExampleLoad() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "sesame.toml")
	text := "hostname = \"mx1.example.com\"\ntls.certifcate = \"cert.pem\"\ndelivery.max_age = 4\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		panic(err)
	}
	_, err = config.Load(file)
	var errs config.Errors
	if errors.As(err, &errs) {
		for _, e := range errs {
			fmt.Printf("line %d: %s: %s\n", e.Line, e.Key, e.Message)
		}
	}
	// Output:
	// line 2: tls.certifcate: unknown key; did you mean "certificate"?
	// line 3: delivery.max_age: must be a time such as "90s", "5m" or "96h"
}

func TestBrokenFilesGiveTheMessagesBesideThem(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.toml")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			want := strings.TrimSuffix(file, ".toml") + ".txt"
			dir := t.TempDir()
			name := filepath.Join(dir, filepath.Base(file))
			// Whoever checked the tree out may have taken rights away.
			if err := os.WriteFile(name, text, 0o644); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(name, 0o644); err != nil {
				t.Fatal(err)
			}
			c, err := config.Load(name)
			var errs config.Errors
			if c != nil || !errors.As(err, &errs) {
				t.Fatalf("got %v, %v, want errors", c, err)
			}
			got := strings.ReplaceAll(err.Error(), dir+string(filepath.Separator), "") + "\n"
			if *update {
				if err := os.WriteFile(want, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			golden, err := os.ReadFile(want)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(golden), got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// same compares configurations, which hold addresses with unexported fields.
var same = cmp.Options{
	cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
	cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
}

func TestHostnameAloneIsAValidFile(t *testing.T) {
	got, err := config.Parse("sesame.toml", []byte(`hostname = "mx1.example.com"`))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(config.Default("mx1.example.com"), got, same); diff != "" {
		t.Error(diff)
	}
}

func TestProfileDecidesDefaultsThatTheFileDoesNotGive(t *testing.T) {
	got, err := config.Parse("sesame.toml", []byte("hostname = \"mx1.example.com\"\nprofile = \"ses\"\ndelivery.max_age = \"1h\""))
	if err != nil {
		t.Fatal(err)
	}
	want := config.Strict("mx1.example.com")
	want.Delivery.MaxAge = time.Hour
	if diff := cmp.Diff(want, got, same); diff != "" {
		t.Error(diff)
	}
	if got.Limits.IdleTimeout != 10*time.Second {
		t.Errorf("idle_timeout is %v", got.Limits.IdleTimeout)
	}
}

func TestEveryKeyIsRead(t *testing.T) {
	dir := t.TempDir()
	text, err := os.ReadFile("testdata/full.toml")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "sesame.toml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := config.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	prefixes := func(list ...string) (out []netip.Prefix) {
		for _, p := range list {
			out = append(out, netip.MustParsePrefix(p))
		}
		return out
	}
	want := &config.Config{
		Hostname: "mx1.example.com",
		Region:   "eu-1",
		DataDir:  filepath.Join(dir, "data"),
		Profile:  config.ProfileDefault,
		User:     "sesame",
		Listen: config.Listen{
			STARTTLS:        []string{"192.0.2.1:25", "[2001:db8::1]:587"},
			ImplicitTLS:     []string{":465"},
			TrustedNetworks: prefixes("10.0.0.0/8", "192.0.2.7/32", "2001:db8::/32"),
			TrustedAccount:  "shop",
			Feedback:        []string{"192.0.2.1:25"},
			Admin:           filepath.Join(dir, "run/admin.sock"),
			Public:          "127.0.0.1:8080",
		},
		TLS: config.TLS{Certificate: filepath.Join(dir, "cert.pem"), Key: "/etc/ssl/key.pem", MinVersion: "1.3"},
		Limits: config.Limits{
			MessageBytes: 1000000, Recipients: 100, LineLength: 998, Connections: 10,
			ConnectionsPerIP: 5, MIMEParts: 77, MessagesPerConnection: 7, IdleTimeout: 90 * time.Second, QueueOnThrottle: true, SigV2Rate: 9,
		},
		DNS: config.DNS{Resolvers: []string{"127.0.0.1:53", "[::1]:53", "192.0.2.53:5353"}},
		Delivery: config.Delivery{
			Port: 2525, Smarthost: "[2001:db8::25]:587", SmarthostTLS: config.TLSStart, SmarthostUser: "u",
			SmarthostPasswordFile: filepath.Join(dir, "secret"), AllowNetworks: prefixes("127.0.0.0/8"),
			MaxAge: 48 * time.Hour, Retry: []time.Duration{30 * time.Second, 90 * time.Minute},
			Concurrency: 50, PerDestination: 2, MessagesPerConnection: 3, TLSMinVersion: "1.0",
			Send8BitAnyway: true, ShowClientAddress: true,
		},
		Sources: []config.Source{
			{Name: "a", Address: netip.MustParseAddr("192.0.2.10"), EHLO: "a.mx.example.com", Pool: "bulk"},
			{Name: "b", Address: netip.MustParseAddr("2001:db8::10"), EHLO: "mx1.example.com", Pool: "default"},
		},
		Service: config.Service{Domain: "mail.example.com", SimulatorDomain: "sim.example.com",
			FeedbackHost: "feedback.example.com", PublicURL: "https://mail.example.com",
			Postmaster: "ops@example.com"},
		Feedback: config.Feedback{Providers: []string{"fbl@example.net", "fbl.example.org"}, KeepFor: 7 * 24 * time.Hour, KeepBytes: 1 << 20},
		Scan:     config.Scan{Clamd: "unix:/run/clamav/clamd.ctl", Timeout: 90 * time.Second},
		Events: config.Events{FileDir: filepath.Join(dir, "events"), FileRotateBytes: 4096, FileRotateEvery: time.Hour,
			ParkAfter: 2 * time.Hour, AllowNetworks: prefixes("127.0.0.0/8")},
		Trace: config.Trace{Keep: 24 * time.Hour, MaxBytes: 268435456},
		API:   config.API{ImportDir: filepath.Join(dir, "imports")},
		Log:   config.Log{Format: "json", Level: slog.LevelDebug},
	}
	if diff := cmp.Diff(want, got, same); diff != "" {
		t.Error(diff)
	}
}

func TestFileThatCannotBeReadIsAnError(t *testing.T) {
	dir := t.TempDir()
	if _, err := config.Load(filepath.Join(dir, "none.toml")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file gave %v", err)
	}
	big := filepath.Join(dir, "big.toml")
	if err := os.WriteFile(big, []byte("#"+strings.Repeat("x", config.MaxFile)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := config.Load(big); err == nil {
		t.Error("a file of more than MaxFile octets was read")
	}
}

func TestPasswordComesFromItsFile(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "secret")
	if err := os.WriteFile(file, []byte("s3 cret \n"), 0o600); err != nil {
		t.Fatal(err)
	}
	d := config.Delivery{SmarthostPasswordFile: file}
	if got, err := d.Password(); got != "s3 cret " || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Password(); err == nil {
		t.Error("a file that everyone may read was taken")
	}
	if got, err := (&config.Delivery{SmarthostPassword: "x"}).Password(); got != "x" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestSmarthostIsHostAndPort(t *testing.T) {
	for text, want := range map[string]string{
		"smtp.Example.net:587": "smtp.example.net 587",
		"192.0.2.1:25":         "192.0.2.1 25",
		"[2001:db8::1]:25":     "2001:db8::1 25",
		"localhost:2525":       "localhost 2525",
		"2001:db8::1:25":       "",
		"[192.0.2.1]:25":       "",
		"[2001:db8::1:25":      "",
		"smtp.example.net:":    "",
		"smtp.example.net:0":   "",
		"smtp.example.net":     "",
		"-bad-:25":             "",
		":25":                  "",
	} {
		host, port, ok := config.SplitHostPort(text)
		if got := fmt.Sprint(host, " ", port); ok != (want != "") || ok && got != want {
			t.Errorf("%s: got %s, %v", text, got, ok)
		}
	}
}

func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/bad/*.toml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range append(files, "testdata/full.toml") {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := config.Parse("fuzz.toml", text)
		var errs config.Errors
		switch {
		case (c == nil) == (err == nil):
			t.Fatalf("got %v and %v", c, err)
		case err == nil:
		case !errors.As(err, &errs) || len(errs) == 0:
			t.Fatalf("got %T", err)
		}
		for _, e := range errs {
			if e.Line < 1 || e.Column < 1 || e.Message == "" {
				t.Errorf("an error without a place or message: %#v", e)
			}
		}
	})
}
