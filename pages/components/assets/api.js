/** Calls to the app's own routes, with the token that the page was given. */

/** A request that was answered with an error; `status` is 0 where no answer came. */
export class CallError extends Error {
  /**
   * @param {number} status
   * @param {string} message
   */
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/**
 * Sends a request and reads the JSON that comes back.
 *
 * @param {string} path Below `/labelloom/`.
 * @param {{token: string, body?: any, keepalive?: boolean, seconds?: number}} options With a body it is a POST.
 * @returns {Promise<any>}
 * @throws {CallError}
 */
export async function call(path, { token, body, keepalive = false, seconds = 20 }) {
  let response;
  try {
    response = await fetch(`/labelloom/${path}`, {
      method: body === undefined ? "GET" : "POST",
      headers: { "x-labelloom-token": token, ...(body === undefined ? {} : { "content-type": "application/json" }) },
      body: body === undefined ? undefined : JSON.stringify(body),
      credentials: "same-origin",
      keepalive,
      signal: AbortSignal.timeout(seconds * 1000),
    });
  } catch (error) {
    throw new CallError(0, String(error));
  }
  let answer = null;
  try {
    answer = await response.json();
  } catch {
    // an answer without JSON is told by its status
  }
  if (!response.ok) throw new CallError(response.status, answer?.error ?? `The server answered ${response.status}.`);
  return answer;
}
