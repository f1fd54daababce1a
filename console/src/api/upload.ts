import type { Schemas } from './client';
import { ApiProblem } from './problem';
import { accessToken } from './session';

/**
 * Uploads a version. `fetch` does not tell how much of a body is sent, so this is an `XMLHttpRequest`.
 * @param onSent called with the share that is sent, from 0 to 1
 * @throws ApiProblem
 */
export async function uploadVersion(
  agent: string,
  form: FormData,
  onSent: (share: number) => void,
): Promise<Schemas['UploadedDto']> {
  const token = await accessToken();
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open('POST', `/api/v1/agents/${encodeURIComponent(agent)}/binary`);
    request.setRequestHeader('authorization', `Bearer ${token}`);
    request.responseType = 'json';
    request.upload.onprogress = ({ loaded, total }) => onSent(total > 0 ? loaded / total : 0);
    request.upload.onload = () => onSent(1);
    request.onerror = () => reject(ApiProblem.unreachable());
    request.onload = () => {
      if (request.status < 300) resolve(request.response as Schemas['UploadedDto']);
      else reject(new ApiProblem(request.status, (request.response ?? {}) as Partial<Schemas['Problem']>));
    };
    request.send(form);
  });
}
