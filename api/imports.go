package api

import (
	"context"
	"errors"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/account/suppression"
	"github.com/sesame-mta/sesame/account/suppression/imports"
)

// Import reads a file into the suppression list of the caller's account, or with
// the action DELETE takes its addresses off. The format is CSV or JSON.
func (r *Rooms) Import(ctx context.Context, c *Call, url, format, action string) (imports.Job, error) {
	if err := OneOf("dataFormat", format, "CSV", "JSON"); err != nil {
		return imports.Job{}, err
	}
	if err := OneOf("suppressionListImportAction", action, "DELETE", "PUT"); err != nil {
		return imports.Job{}, err
	}
	job := imports.Job{Account: c.Account.ID, URL: url, Form: suppression.CSV, Delete: action == "DELETE"}
	if format == "JSON" {
		job.Form = suppression.JSONL
	}
	job, err := r.Imports.Create(ctx, job)
	for _, known := range []error{imports.ErrURL, imports.ErrFile, imports.ErrOff, suppression.ErrSandbox} {
		if errors.Is(err, known) {
			return imports.Job{}, BadParameter(known.Error()).WithCause(err)
		}
	}
	if errors.Is(err, imports.ErrMany) {
		return imports.Job{}, Limit(err.Error())
	}
	return job, err
}

// ImportJob gives a job of the caller's account.
func (r *Rooms) ImportJob(c *Call, id string) (imports.Job, error) {
	j, err := r.Imports.Get(c.Account.ID, id)
	if errors.Is(err, account.ErrNotFound) {
		err = NotFound("Import job " + id + " does not exist.")
	}
	return j, err
}

// maxJobs is the most jobs of a page.
const maxJobs = 100

// ImportJobs gives a page of the jobs of the caller's account, oldest first.
func (r *Rooms) ImportJobs(c *Call, token string, size int) ([]imports.Job, string, error) {
	size, err := Size(size, maxJobs)
	if err != nil {
		return nil, "", err
	}
	return Page(r.Imports.List(c.Account.ID), func(j imports.Job) string { return j.ID }, token, size)
}
