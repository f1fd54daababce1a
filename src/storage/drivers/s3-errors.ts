import { finished, PassThrough, type Readable } from 'node:stream';
import { AppError } from '../../common/app-error.js';
import { misconfigured, missing } from './blob-faults.js';

/** What the operator has to check, by the S3 name of the error. */
const MISTAKES: Record<string, string> = {
  NoSuchBucket: 'the bucket does not exist: create it, or correct S3_BUCKET',
  InvalidBucketName: 'this is not a valid bucket name: correct S3_BUCKET',
  PermanentRedirect: 'the bucket is in another region: correct S3_REGION and S3_ENDPOINT',
  AuthorizationHeaderMalformed: 'the bucket is in another region: correct S3_REGION',
  IllegalLocationConstraintException: 'the bucket is in another region: correct S3_REGION',
  InvalidAccessKeyId: 'the access key is unknown: correct S3_ACCESS_KEY_ID',
  SignatureDoesNotMatch: 'the secret does not match the access key: correct S3_SECRET_ACCESS_KEY',
  CredentialsProviderError: 'there are no credentials: set S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY',
  ExpiredToken: 'the credentials have expired: renew them',
  AccessDenied: 'the credentials lack a right: they need to list the bucket, and to get, put and delete its objects',
  RequestTimeTooSkewed: "this machine's clock is wrong: set it",
  ServerSideEncryptionConfigurationNotFoundError: 'the bucket does not support this encryption: correct S3_SSE',
  KMSNotConfigured: 'the service does not support this encryption: correct S3_SSE',
};

/** The answer to a HEAD says no more than this. */
const REFUSED = 'the credentials are refused: check S3_ACCESS_KEY_ID, S3_SECRET_ACCESS_KEY and what they may do';

/**
 * Explains an error of the S3 client. Its own text may contain addresses, so it stays in the cause.
 * @param about `name` overrides the error's own name; `suspect` names the likely cause when no other is known
 */
export function explained(error: unknown, about: { name?: string; suspect?: string } = {}): AppError {
  if (error instanceof AppError) return error;
  const { name = (error as Error).name, suspect } = about;
  const status = (error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode;
  const cause = error;
  if (name === 'NoSuchKey' || name === 'NotFound') return missing(cause);
  const mistake = MISTAKES[name] ?? (status === 401 || status === 403 ? REFUSED : undefined);
  if (mistake) return misconfigured(mistake, cause);
  // The service understood and refused the request: a retry will not help.
  if (status === 501 || (status !== undefined && status < 500 && status !== 408 && status !== 429)) {
    const refusal = `the S3 service refuses the request (${name}, status ${status})`;
    return misconfigured(suspect ? `${refusal}; ${suspect}` : refusal, cause);
  }
  return new AppError('unavailable', 'STORAGE_AWAY', 'The object store does not answer: try again later.', {
    cause,
  });
}

/** The bytes of an answer. Its errors are explained like those of the request, because a service may fail half-way. */
export function explainedStream(body: Readable): Readable {
  const bytes = new PassThrough();
  finished(body, (error) => {
    if (error) bytes.destroy(explained(error));
  });
  bytes.once('close', () => body.destroy());
  return body.pipe(bytes);
}
