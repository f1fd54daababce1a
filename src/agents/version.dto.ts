/** One uploaded binary of an agent. */
export class VersionDto {
  /** semver */
  version: string;
  /** SHA-256 of the binary, lower-case hex. */
  binary_hash: string;
  /** Bytes. */
  binary_size: number;
  /** Whether this is the version that bids. */
  active: boolean;
  /** The validation report of the upload. */
  validation: Record<string, unknown>;
  /** User id. */
  uploaded_by: string;
  /** RFC 3339, UTC. */
  created_at: string;
}

export class VersionListDto {
  /** Newest first. */
  items: VersionDto[];
}
