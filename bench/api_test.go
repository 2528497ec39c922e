package main_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/sesame-mta/sesame/bench/load"
)

func TestCallsAreSignedAndCounted(t *testing.T) {
	key := &load.API{Region: "local-1", KeyID: "AKIAEXAMPLE", Secret: "secret"}
	var mu sync.Mutex
	n := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		var sent struct {
			Destination struct{ ToAddresses []string }
			Content     struct{ Raw struct{ Data []byte } }
		}
		if err := json.Unmarshal(body, &sent); err != nil || len(sent.Destination.ToAddresses) != 2 || len(sent.Content.Raw.Data) < 1800 {
			t.Errorf("%v: %s", err, body)
		}
		at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
		if err != nil {
			t.Error(err)
		}
		again, err := http.NewRequest(r.Method, "http://"+r.Host+r.URL.Path, bytes.NewReader(body))
		if err != nil {
			t.Error(err)
			return
		}
		again.ContentLength = -1 // it is not signed
		again.Header.Set("Content-Type", "application/json")
		hash := sha256.Sum256(body)
		who := aws.Credentials{AccessKeyID: key.KeyID, SecretAccessKey: key.Secret}
		if err := v4.NewSigner().SignHTTP(t.Context(), who, again, hex.EncodeToString(hash[:]), "ses", key.Region, at); err != nil {
			t.Error(err)
		}
		if got, want := r.Header.Get("Authorization"), again.Header.Get("Authorization"); got != want {
			t.Errorf("signed\n%s, not\n%s", got, want)
		}
		mu.Lock()
		n++
		if n%10 == 0 {
			w.WriteHeader(http.StatusTooManyRequests)
		}
		mu.Unlock()
		_, _ = io.WriteString(w, `{"MessageId":"x"}`) // counted below
	}))
	defer s.Close()
	res, err := load.Run(t.Context(), load.Options{Addr: strings.TrimPrefix(s.URL, "http://"), API: key, Messages: 50, Connections: 3, Recipients: 2})
	if err != nil {
		t.Fatal(err)
	}
	if res.Accepted != 45 || res.Refused != 5 || len(res.Acknowledged) != 90 || !strings.HasPrefix(res.LastRefusal, "429 {") {
		t.Errorf("%+v", res)
	}
}
