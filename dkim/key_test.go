package dkim_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"strings"
	"testing"

	"github.com/sesame-mta/sesame/dkim"
)

func generate(t testing.TB, alg dkim.Algorithm) crypto.Signer {
	t.Helper()
	key, err := dkim.Generate(alg)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestAKeySurvivesEveryFormItMayComeIn(t *testing.T) {
	for _, alg := range []dkim.Algorithm{dkim.RSA, dkim.Ed25519} {
		key := generate(t, alg)
		der, err := dkim.MarshalPrivate(key)
		if err != nil {
			t.Fatal(err)
		}
		text := base64.StdEncoding.EncodeToString(der)
		forms := map[string][]byte{
			"PKCS#8 DER":           der,
			"PKCS#8 PEM":           pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}),
			"base64":               []byte(text),
			"base64 in two lines":  []byte(text[:40] + "\r\n" + text[40:] + "\n"),
			"base64 between tabs ": []byte("\t" + text + "\t"),
		}
		if r, ok := key.(*rsa.PrivateKey); ok {
			pkcs1 := x509.MarshalPKCS1PrivateKey(r)
			forms["PKCS#1 DER"] = pkcs1
			forms["PKCS#1 PEM"] = pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: pkcs1})
			forms["PKCS#1 base64"] = []byte(base64.StdEncoding.EncodeToString(pkcs1))
		}
		for name, data := range forms {
			t.Run(alg.String()+" "+name, func(t *testing.T) {
				got, err := dkim.ParsePrivate(data)
				if err != nil {
					t.Fatal(err)
				}
				again, err := dkim.MarshalPrivate(got)
				if err != nil || !bytes.Equal(again, der) {
					t.Fatalf("another key came back (%v)", err)
				}
				if is, err := dkim.AlgorithmOf(got); err != nil || is != alg {
					t.Fatalf("algorithm %v, %v", is, err)
				}
			})
		}
	}
}

func TestAKeyThatCannotSignIsRefused(t *testing.T) {
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ecDER, err := x509.MarshalPKCS8PrivateKey(ec)
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{
		"nothing":       nil,
		"text":          []byte("this is no key"),
		"base64 of air": []byte("AAAA"),
		"ECDSA":         ecDER,
		"too long":      bytes.Repeat([]byte("A"), 20481),
		"encrypted":     pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte("x")}),
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := dkim.ParsePrivate(data); !errors.Is(err, dkim.ErrKey) {
				t.Fatalf("got %v", err)
			}
		})
	}
	t.Setenv("GODEBUG", "rsa1024min=0")
	small, err := rsa.GenerateKey(rand.Reader, 768)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := dkim.ParsePrivate(x509.MarshalPKCS1PrivateKey(small)); !errors.Is(err, dkim.ErrKey) {
		t.Fatalf("768 bits: got %v", err)
	}
}

func TestTXTHoldsThePublicKeyAsVerifiersReadIt(t *testing.T) {
	r := generate(t, dkim.RSA)
	txt, err := dkim.TXT(r.Public())
	if err != nil {
		t.Fatal(err)
	}
	p, ok := strings.CutPrefix(txt, "v=DKIM1; k=rsa; p=")
	der, err := base64.StdEncoding.DecodeString(p)
	if !ok || err != nil {
		t.Fatalf("%q: %v", txt, err)
	}
	if pub, err := x509.ParsePKIXPublicKey(der); err != nil || !r.Public().(*rsa.PublicKey).Equal(pub) {
		t.Fatalf("another public key: %v", err)
	}

	e := generate(t, dkim.Ed25519)
	txt, err = dkim.TXT(e.Public())
	want := "v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(e.Public().(ed25519.PublicKey))
	if err != nil || txt != want {
		t.Fatalf("got %q, want %q (%v)", txt, want, err)
	}

	if _, err := dkim.TXT("no key"); err == nil {
		t.Fatal("a text was published as a key")
	}
}

func TestRecordIsUnderTheSelector(t *testing.T) {
	k := dkim.Key{Domain: "example.com", Selector: "a1"}
	if got := k.Record(); got != "a1._domainkey.example.com" {
		t.Fatal(got)
	}
}
